# pgmq_c: a message queue inside PostgreSQL, built by PGXS.
#
#   make && make install        build and install for the server of PG_CONFIG
#   make installcheck           test the installed extension on a running server
#   make check                  test everything on throw-away servers
#   make demo                   see it work; `make demo-stop` ends it
#   make cluster                a router and three shards; `make cluster-stop` ends them
#   make torture                look for messages that are missed or lost, at random
#   make drill                  kill a primary under load, and count what was lost
#   make fuzz                   call every function with random and hostile arguments
#   make sanitised              test on servers that look for errors in C
#   make security, make life    what is tested of roles; of a database's life
#   make bench                  measure it (SCENARIOS=engine: reads beside what hurts queues)
#   make check-versions         make check on PostgreSQL 15, 17 and 18
#   make dist                   archives of the source, for a release
#   make install-pgmq           install the whole product under PGMQ's name
#   make lint, make indent      the rules of the house; the layout of the C code

EXTENSION  = pgmq_c
MODULE_big = pgmq_c
DATA       = $(wildcard pgmq_c--*.sql)
PGFILEDESC = "pgmq_c - message queue"
OBJS = src/pgmq_c.o \
	src/api/ack.o \
	src/api/ack_read.o \
	src/api/argument_text.o \
	src/api/dead_letter.o \
	src/api/extend.o \
	src/api/health.o \
	src/api/locked.o \
	src/api/metrics.o \
	src/api/nack.o \
	src/api/notify.o \
	src/api/notify_setup.o \
	src/api/peek.o \
	src/api/poll.o \
	src/api/queue_stats.o \
	src/api/read.o \
	src/api/read_any.o \
	src/api/read_grouped.o \
	src/api/send.o \
	src/api/set_policy.o \
	src/api/status.o \
	src/api/subscriptions.o \
	src/api/topic.o \
	src/api/unarchive.o \
	src/api/untyped.o \
	src/api/wait.o \
	src/catalog/bounds.o \
	src/catalog/convert.o \
	src/catalog/convert_stream.o \
	src/catalog/each.o \
	src/catalog/grant.o \
	src/catalog/layout.o \
	src/catalog/manage.o \
	src/catalog/meta.o \
	src/catalog/partition.o \
	src/catalog/partman.o \
	src/catalog/sequence.o \
	src/catalog/subscribe.o \
	src/common/archive.o \
	src/common/arguments.o \
	src/common/last_id.o \
	src/common/lock.o \
	src/common/priority.o \
	src/common/queue.o \
	src/common/role.o \
	src/common/shmem.o \
	src/common/subxact.o \
	src/common/topic_pattern.o \
	src/duemap/check.o \
	src/duemap/claim.o \
	src/duemap/ddl.o \
	src/duemap/directory.o \
	src/duemap/identity.o \
	src/duemap/local.o \
	src/duemap/map.o \
	src/duemap/scan.o \
	src/duemap/touch.o \
	src/duemap/tree.o \
	src/duemap/twice.o \
	src/duemap/xact.o \
	src/policy/disposal.o \
	src/policy/dedup.o \
	src/policy/enqueue.o \
	src/policy/headers.o \
	src/policy/idtable.o \
	src/policy/limit_reads.o \
	src/policy/limit_rows.o \
	src/policy/limit_xact.o \
	src/policy/limits.o \
	src/policy/maintain.o \
	src/policy/move.o \
	src/policy/policy.o \
	src/policy/policy_keys.o \
	src/policy/runs.o \
	src/policy/suspect.o \
	src/policy/worker.o \
	src/spi/errors.o \
	src/spi/exec.o \
	src/spi/planner_guard.o \
	src/spi/plans.o \
	src/spi/results.o \
	src/spi/statements.o \
	src/stats/counters.o \
	src/stats/saved.o \
	src/stats/slots.o \
	src/stream/batch.o \
	src/stream/batch_json.o \
	src/stream/blocks.o \
	src/stream/feed.o \
	src/stream/filter.o \
	src/stream/lease.o \
	src/stream/progress.o \
	src/stream/retain.o \
	src/stream/state.o \
	src/stream/take.o \
	src/wait/wait_list.o
PG_CPPFLAGS = -I$(srcdir)/src

# Every test file stands alone, so their order means nothing; only the listing
# of what was installed goes first, because without it the rest is noise.
REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/install.sql))) \
	$(sort $(filter-out install,$(patsubst sql/%.sql,%,$(wildcard sql/*.sql))))
REGRESS_OPTS = --load-extension=pgmq_c
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --load-extension=pgmq_c
TAP_TESTS = 1
PROVE_TESTS ?= $(sort $(wildcard test/t/*.pl))

# These targets find, and where they can install, a server by themselves, so
# they must work before there is a pg_config.  PGXS also has a `check` of its
# own, which only says that it is not supported.
HOUSE = bench check check-versions cluster cluster-stop console demo demo-stop dist drill fuzz indent life lint \
	sanitised security torture
.PHONY: $(HOUSE) install-pgmq uninstall-pgmq

ifeq ($(filter $(HOUSE),$(MAKECMDGOALS)),)
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
$(if $(wildcard $(PGXS)),,$(error $(PG_CONFIG) shows no server to build for: \
	install the server's development package or set PG_CONFIG))
include $(PGXS)

$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h src/*/*.h)

install-pgmq: all installdirs install-lib
	tools/install-pgmq.sh install '$(DESTDIR)$(datadir)/extension'

uninstall-pgmq:
	tools/install-pgmq.sh uninstall '$(DESTDIR)$(datadir)/extension'
	test -e '$(DESTDIR)$(datadir)/extension/pgmq_c.control' || \
		rm -f '$(DESTDIR)$(pkglibdir)/pgmq_c$(DLSUFFIX)'
else
check check-versions dist indent lint sanitised:
	@tools/$@.sh

drill fuzz torture:
	@TESTS=$@ tools/check.sh

security:
	@TESTS="regress isolation tap" REGRESS="$(filter rights_% install_adopt%,$(REGRESS))" \
		ISOLATION="$(filter rights_% duemap_row_security,$(ISOLATION))" \
		PROVE_TESTS="$(wildcard test/t/rights_*.pl)" tools/check.sh

life:
	@TESTS=tap PROVE_TESTS="$(wildcard test/t/life_*.pl test/t/install_*.pl)" tools/check.sh

bench:
	@bench/run.sh

console:
	@console/run.sh $(ARGS)

cluster:
	@cluster/run.sh

cluster-stop:
	@cluster/stop.sh

demo:
	@demo/run.sh

demo-stop:
	@demo/stop.sh
endif
