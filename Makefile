# pgmq_c: a message queue inside PostgreSQL, built by PGXS.
#
#   make && make install        build and install for the server of PG_CONFIG
#   make installcheck           test the installed extension on a running server
#   make check                  test everything on throw-away servers
#   make demo                   see it work; `make demo-stop` ends it
#   make torture                look for messages that are missed or lost, at random
#   make fuzz                   call every function with random and hostile arguments
#   make sanitised              test on servers that look for errors in C
#   make security, make life    what is tested of roles; of a database's life
#   make bench                  measure it (SCENARIOS=engine: reads beside what hurts queues)
#   make check-versions         make check on PostgreSQL 15, 17 and 18
#   make install-pgmq           install the whole product under PGMQ's name
#   make lint, make indent      the rules of the house; the layout of the C code

EXTENSION  = pgmq_c
MODULE_big = pgmq_c
DATA       = $(wildcard pgmq_c--*.sql)
PGFILEDESC = "pgmq_c - message queue"
OBJS = \
	src/ack.o \
	src/adopt.o \
	src/any.o \
	src/arg.o \
	src/dead.o \
	src/ddl.o \
	src/dead_letter.o \
	src/dedup.o \
	src/directory.o \
	src/duemap.o \
	src/duetree.o \
	src/each.o \
	src/error.o \
	src/exec.o \
	src/grant.o \
	src/group.o \
	src/guard.o \
	src/header.o \
	src/identity.o \
	src/idtable.o \
	src/layout.o \
	src/local.o \
	src/lock.o \
	src/locked.o \
	src/look.o \
	src/maintain.o \
	src/manage.o \
	src/meaning.o \
	src/meta.o \
	src/metrics.o \
	src/move.o \
	src/nack.o \
	src/notify.o \
	src/partition.o \
	src/partman.o \
	src/peek.o \
	src/pgmq_c.o \
	src/policy.o \
	src/poll.o \
	src/put.o \
	src/queue.o \
	src/read.o \
	src/role.o \
	src/rows.o \
	src/send.o \
	src/sequence.o \
	src/set_policy.o \
	src/shmem.o \
	src/status.o \
	src/stmt.o \
	src/suspect.o \
	src/topic.o \
	src/twice.o \
	src/untyped.o \
	src/waiter.o \
	src/worker.o \
	src/xact.o

# Every test file stands alone, so their order means nothing; only the listing
# of what was installed goes first, because without it the rest is noise.
REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/install.sql))) \
	$(sort $(filter-out install,$(patsubst sql/%.sql,%,$(wildcard sql/*.sql))))
REGRESS_OPTS = --load-extension=pgmq_c
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --load-extension=pgmq_c
TAP_TESTS = 1
PROVE_TESTS ?= $(sort $(wildcard test/t/*.pl))

# Files about who may do what.
SECURITY = $(filter adopt creator escalation grant hostile_names privileges rls search_path security,$(REGRESS))

# These targets find, and where they can install, a server by themselves, so
# they must work before there is a pg_config.  PGXS also has a `check` of its
# own, which only says that it is not supported.
HOUSE = bench check check-versions demo demo-stop fuzz indent life lint \
	sanitised security torture
.PHONY: $(HOUSE) install-pgmq uninstall-pgmq

ifeq ($(filter $(HOUSE),$(MAKECMDGOALS)),)
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
$(if $(wildcard $(PGXS)),,$(error $(PG_CONFIG) shows no server to build for: \
	install the server's development package or set PG_CONFIG))
include $(PGXS)

$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h)

install-pgmq: all installdirs install-lib
	tools/install-pgmq.sh install '$(DESTDIR)$(datadir)/extension'

uninstall-pgmq:
	tools/install-pgmq.sh uninstall '$(DESTDIR)$(datadir)/extension'
	test -e '$(DESTDIR)$(datadir)/extension/pgmq_c.control' || \
		rm -f '$(DESTDIR)$(pkglibdir)/pgmq_c$(DLSUFFIX)'
else
check check-versions indent lint sanitised:
	@tools/$@.sh

fuzz torture:
	@TESTS=$@ tools/check.sh

security:
	@TESTS="regress isolation tap" REGRESS="$(SECURITY)" ISOLATION="due_rls drop_denied stranger" \
		PROVE_TESTS="$(wildcard test/t/06*.pl)" tools/check.sh

life:
	@TESTS=tap PROVE_TESTS="$(wildcard test/t/00*.pl test/t/01*.pl test/t/05*.pl test/t/07*.pl)" tools/check.sh

bench:
	@bench/run.sh

demo:
	@demo/run.sh

demo-stop:
	@demo/stop.sh
endif
