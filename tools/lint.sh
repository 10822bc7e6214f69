#!/bin/sh
# make lint: the rules of the house that a machine can check, and the layout
# of the C code. Prints "ok RULE" or what breaks it and "not ok RULE".
#
#   LIBRARY   the built library, for the rule about its symbols
set -eu
cd "$(dirname "$0")/.."
LIBRARY=${LIBRARY:-$(ls pgmq_c.so 2>/dev/null || true)}
failures=0

# A rule is kept when nothing is found that breaks it.
rule() {
    found=$(cat)
    if [ -z "$found" ]; then
        echo "ok $1"
    else
        printf '%s\n' "$found" | sed 's/^/# /'
        echo "not ok $1"
        failures=$((failures + 1))
    fi
}

skip() {
    echo "ok $1 # SKIP $2"
}

# The files under version control, and outside of it those that are about to
# be. As root in somebody else's tree git wants to be told that this is meant.
files() {
    git -c safe.directory='*' ls-files --cached --others --exclude-standard "$@"
}

but_not() {
    grep -Ev "$1" || true
}

grep -ln 'executor/spi.h' src/*.[ch] src/*/*.[ch] | but_not '^src/spi/(exec|plans)\.c$' | rule "SPI is known to exec.c and plans.c only"
grep -ln 'PG_VERSION_NUM' src/*.[ch] src/*/*.[ch] | but_not '^src/common/compat\.h$' | rule "compat.h alone asks for the server's version"
grep -nE 'err(msg|msg_plural|msg_internal)\("[A-Z][a-z]' src/*.c src/*/*.c |
    but_not '(Queue \\"%s\\"|Table %s) ' | rule "error messages begin in lower case, but for some of PGMQ's"
grep -nE '^[^"]*(^|[^:"])//' src/*.[ch] src/*/*.[ch] | rule "comments are /* */"
# these find their operators by the search_path, unlike OPERATOR(pg_catalog.=)
grep -nE '"[^"]*(CASE [a-z_.]+ WHEN|NULLIF|BETWEEN|[a-z] (NOT )?IN \(|DISTINCT FROM|LIKE|USING \()' src/*.[ch] src/*/*.[ch] |
    but_not '^src/catalog/(convert|partition)\.c:' | rule "statements name their operators, but for those with a safe search_path"
wc -l src/*.[ch] src/*/*.[ch] | awk '$2 != "total" && $1 > 700 { print $2 " has " $1 " lines" }' | rule "no file of src/ is longer than 700 lines"
grep -nE '[ 	]+$' src/*.[ch] src/*/*.[ch] ./*.sql Makefile tools/*.sh demo/* | rule "no white space at the end of a line"

# The folders from the bottom to the top: a file includes, and so calls, only
# what is in its own or in one before it.
layers='common spi wait stats duemap stream policy catalog api'
below=
for layer in $layers; do
    below="$below${below:+|}$layer"
    grep -nE '^#include "[a-z_]+/' "src/$layer"/*.[ch] |
        but_not "#include \"($below)/" |
        while IFS= read -r line; do
            included=${line#*#include \"}
            [ ! -e "src/${included%\"*}" ] || echo "$line"
        done
done | rule "no file of src/ includes one of a folder above its own"
grep -nE '^[[:space:]]*extern .*pgmq_' src/*/*.c src/*.c | but_not 'PGDLLEXPORT' | rule "prototypes are in headers"

# A header includes all that it needs.
includes=$("${PG_CONFIG:-pg_config}" --includedir-server 2>/dev/null || true)
if [ -r "$includes/postgres.h" ]; then
    for header in src/*/*.h; do
        cc -fsyntax-only -std=gnu99 -Isrc -I"$includes" -include postgres.h "$header" 2>&1 |
            grep -m 1 'error' || true
    done | rule "each header compiles alone"
else
    skip "each header compiles alone" "no headers of the server"
fi

# Words that meant something here only, each with the uses in which it means
# what it means everywhere.  docs/glossary.md has the words to use.
while IFS='|' read -r word usual; do
    word=$(echo "$word" | tr '!' '|')
    grep -nE "(^|[^A-Za-z])($word)([^A-Za-z]|\$)" src/*.[ch] src/*/*.[ch] | but_not "${usual:-^$}"
done <<'END' | sort -u | rule "no private words in src/"
guests?
staircases?
floors?|floor\(
house
rooms?|(no|has|have|needs|enough) room|room (for|in|left)
doors?
ground
gates?
hopeless
stuck
spent
SPENT
screens?!screened!PgmqScreen
nets?|net_finds
drains?!drained
tokens?|JsonbIteratorToken|WJB_|src/policy/limit|src/policy/policy.h
dues!PgmqDue!PgmqDead!PgmqPending
raises?(_[a-z]+)? (a!the!its) (due!time!map)
raise_[a-z]+![a-z_]+_raise
[Ww]hoever
Who!(for!of!off!out!to) who
else[.;]
likewise[.;]
END

if [ -n "$LIBRARY" ] && command -v nm >/dev/null 2>&1; then
    nm -D --defined-only "$LIBRARY" | awk '{ print $3 }' |
        but_not '^(pgmq_|pg_finfo_pgmq_|_PG_init$|Pg_magic_func$|_fini$|_init$|__)' |
        rule "exported symbols begin pgmq_"
else
    skip "exported symbols begin pgmq_" "no library, or no nm"
fi

if command -v git >/dev/null 2>&1 && files >/dev/null 2>&1; then
    files | { grep -E '\.(so|o|bc)$|^(results|output_iso|tmp_check|log|versions)/|^regression\.|node_modules/' || true; } |
        rule "no build or test output in git"
else
    skip "no build or test output in git" "no git"
fi

# Every function that the SQL script takes from the library is there.
grep -ohE "'MODULE_PATHNAME', *'[a-z0-9_]+'" pgmq_c--*.sql | sed "s/.*, *'//; s/'//" | sort -u |
    while read -r symbol; do
        grep -q "PG_FUNCTION_INFO_V1($symbol)" src/*.c src/*/*.c || echo "$symbol is not defined in src/"
    done | rule "the script names functions that exist"

# Both scripts of this version look for a symbol that no earlier library has.
version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" pgmq_c.control)
for script in pgmq_c--"$version".sql pgmq_c--*--"$version".sql; do
    grep -q "'pgmq_library_$(echo "$version" | tr . _)'" "$script" || echo "$script does not look for the library of its version"
done | rule "the scripts refuse an earlier library"

# tools/install-pgmq.sh makes the extension "pgmq" of the install script alone, by
# the lines that are marked.
grep -nEi "(extname|extension).*pgmq_c" pgmq_c--"$version".sql |
    but_not "/\\* extension name \\*/|'pgmq', 'pgmq_c'" | rule "the script marks where it names its own extension"

# The tests that other tools name are there.
sed -n "s/^smoke_[a-z_]*='\(.*\)'.*/\1/p" tools/sanitised.sh | tr ' ' '\n' | while read -r test; do
    [ -e "sql/$test.sql" ] || [ -e "test/specs/$test.spec" ] || echo "tools/sanitised.sh names $test"
done | rule "the tests that tools name are there"

# A section of the install script has the functions of the file that it names.
awk -F "'" '/^-- .*: src\// { n = split($0, word, " "); file = word[n] }
        file != "" && $2 == "MODULE_PATHNAME" { print file, $4 }' pgmq_c--"$version".sql |
    while read -r file symbol; do
        grep -qs "PG_FUNCTION_INFO_V1($symbol)" "$file" src/api/untyped.c || echo "$symbol is not in $file"
    done | rule "the sections of the script name the files of their functions"

# Each test has its expected output and the other way about.
{
    for f in sql/*.sql; do [ -e "expected/$(basename "$f" .sql).out" ] || echo "$f has no expected output"; done
    for f in test/specs/*.spec; do [ -e "test/expected/$(basename "$f" .spec).out" ] || echo "$f has no expected output"; done
    for f in expected/*.out; do [ -e "sql/$(basename "$f" .out | sed 's/_[0-9]$//').sql" ] || [ -e "sql/$(basename "$f" .out).sql" ] || echo "$f has no test"; done
    for f in test/expected/*.out; do [ -e "test/specs/$(basename "$f" .out | sed 's/_[0-9]$//').spec" ] || echo "$f has no test"; done
} | but_not '[*]' | rule "every test has its expected output"

if command -v python3 >/dev/null 2>&1; then
    { python3 test/torture/break.py --check 2>&1 || true; } | rule "the source has what break.py takes out"
    { python3 test/model/claims.py 2>&1 || true; } | { grep -v '^ok' || true; } | rule "the rules of claims hold in the model"
    { python3 test/model/streams.py 2>&1 || true; } | { grep -v '^ok' || true; } | rule "the rules of streams hold in the model"
    { python3 test/model/batches.py 2>&1 || true; } | { grep -v '^ok' || true; } | rule "the rules of batches hold in the model"
else
    skip "the source has what break.py takes out" "no python3"
    skip "the rules of claims hold in the model" "no python3"
    skip "the rules of streams hold in the model" "no python3"
    skip "the rules of batches hold in the model" "no python3"
fi

{ test/ci.sh 2>&1 || true; } | rule ".ci/run counts and shows what failed, and a part that was killed"

# pgindent takes a type that it does not know for a variable.
sed -nE 's/^\}[[:space:]]*(Pgmq[A-Za-z0-9]*|[A-Z][A-Za-z0-9]*);.*/\1/p' src/*.[ch] src/*/*.[ch] | LC_ALL=C sort -u |
    LC_ALL=C comm -23 - tools/typedefs.list | rule "tools/typedefs.list has every type of src/"

if command -v pg_bsd_indent >/dev/null 2>&1; then
    { tools/indent.sh --check || true; } | rule "the C code is laid out by pgindent"
else
    skip "the C code is laid out by pgindent" "no pg_bsd_indent"
fi

[ "$failures" = 0 ]
