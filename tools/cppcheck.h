/*
 * tools/cppcheck.h
 *	  What cppcheck must know of the server's macros when it does not see its
 *	  headers, which take it minutes.
 */
#define PG_VERSION_NUM 150000
#define CppAsString2(x) "x"
#define NIL ((List *) 0)
#define foreach(cell, list) \
	for ((cell) = list_head(list); (cell) != 0; (cell) = lnext(list, cell))
#define slist_foreach(iter, list) \
	for ((iter).cur = (list)->head.next; (iter).cur != 0; (iter).cur = (iter).cur->next)
#define slist_foreach_modify(iter, list) \
	for ((iter).cur = (list)->head.next; (iter).cur != 0; (iter).cur = (iter).next)
#define Assert(condition) do { if (!(condition)) abort(); } while (0)
#define ereport(level, ...) \
	do { if ((level) >= ERROR) abort(); else report(__VA_ARGS__); } while (0)
#define elog(level, ...) ereport(level, __VA_ARGS__)
#define ERROR 21
#define PANIC 23
#define WARNING 19
#define NOTICE 18
#define LOG 15
#define DEBUG1 14
#define PG_TRY() do { if (setjmp(buffer) == 0) {
#define PG_CATCH() } else {
#define PG_FINALLY() } {
#define PG_END_TRY() } } while (0)
#define PG_RE_THROW() abort()
