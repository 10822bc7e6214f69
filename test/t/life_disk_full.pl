
# A full disk: sends fail with 53100 and leave nothing behind, reads and
# deletes go on, so a queue can be drained, and the space that this frees is
# used again.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# While a file is there, no file of a table or an index can grow.
my $flag = PostgreSQL::Test::Utils::tempdir . '/full';
my $shim = PostgreSQL::Test::Utils::tempdir . '/full.so';
append_to_file("$shim.c", q{
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int
is_full(int fd, long long end)
{
	static char path[4096];
	char name[64];
	struct stat st;
	ssize_t n;

	if (access(getenv("TEST_FULL"), F_OK) != 0)
		return 0;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, path, sizeof(path) - 1);
	if (n < 0)
		return 0;
	path[n] = 0;
	/* but for the maps of free space, of which vacuum may need another page */
	if (strstr(path, "/base/") == NULL || strstr(path, "_fsm") != NULL || fstat(fd, &st) != 0 || end <= st.st_size)
		return 0;
	errno = ENOSPC;
	return 1;
}

/* the server may have been built to call either name */
#define PWRITE(name) \
ssize_t name(int fd, const void *buf, size_t len, off_t at) \
{ \
	static ssize_t (*real) (int, const void *, size_t, off_t); \
	if (!real) \
		real = dlsym(RTLD_NEXT, #name); \
	return is_full(fd, at + len) ? -1 : real(fd, buf, len, at); \
}
#define PWRITEV(name) \
ssize_t name(int fd, const struct iovec *iov, int n, off_t at) \
{ \
	static ssize_t (*real) (int, const struct iovec *, int, off_t); \
	long long len = 0; \
	if (!real) \
		real = dlsym(RTLD_NEXT, #name); \
	for (int i = 0; i < n; i++) \
		len += iov[i].iov_len; \
	return is_full(fd, at + len) ? -1 : real(fd, iov, n, at); \
}
#define FALLOCATE(name) \
int name(int fd, off_t at, off_t len) \
{ \
	static int (*real) (int, off_t, off_t); \
	if (!real) \
		real = dlsym(RTLD_NEXT, #name); \
	return is_full(fd, at + len) ? ENOSPC : real(fd, at, len); \
}
PWRITE(pwrite)
PWRITE(pwrite64)
PWRITEV(pwritev)
PWRITEV(pwritev64)
FALLOCATE(posix_fallocate)
FALLOCATE(posix_fallocate64)
});
plan skip_all => 'no compiler for a disk that is full'
  if $^O ne 'linux' || system("cc -shared -fPIC -o $shim $shim.c -ldl 2>$shim.log") != 0;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', "autovacuum = off");
{
	local $ENV{TEST_FULL} = $flag;
	local $ENV{LD_PRELOAD} = $shim;
	$node->start;
}
sub sql { return $node->safe_psql('postgres', $_[0]) }

sql(q{
	CREATE EXTENSION pgmq_c;
	SELECT pgmq.create('jobs');
	-- Sends one by one until the disk is full: how many went in, and why it ended.
	CREATE PROCEDURE fill(OUT sent integer, OUT code text) LANGUAGE plpgsql AS $$
	BEGIN
		sent := 0;
		FOR i IN 1..20000 LOOP
			BEGIN
				PERFORM pgmq.send('jobs', to_jsonb(repeat('x', 100)));
			EXCEPTION WHEN OTHERS THEN
				code := SQLSTATE;
				RETURN;
			END;
			sent := sent + 1;
		END LOOP;
	END $$;
	-- Takes and deletes until nothing can be read: how many there were.
	CREATE FUNCTION drain() RETURNS integer LANGUAGE plpgsql AS $$
	DECLARE
		ids bigint[];
		n integer := 0;
	BEGIN
		LOOP
			SELECT array_agg(msg_id) INTO ids FROM pgmq.read('jobs', 600, 10);
			EXIT WHEN ids IS NULL;
			n := n + (SELECT count(*) FROM pgmq.delete('jobs', ids));
		END LOOP;
		RETURN n;
	END $$;
	SELECT pgmq.send_batch('jobs', array_fill(to_jsonb(repeat('x', 100)), ARRAY[2000]));
	SELECT drain()});
# a queue in use has been vacuumed before, so its maps of free space exist
sql('VACUUM (TRUNCATE false) pgmq.q_jobs');
sql(q{SELECT pgmq.send_batch('jobs', array_fill(to_jsonb(repeat('x', 100)), ARRAY[500])); CHECKPOINT});

append_to_file($flag, '');
my ($sent, $code) = split /\|/, sql('CALL fill(NULL, NULL)');
is($code, '53100', 'a send that needs a page fails with 53100');
is(sql(q{SELECT count(*) FROM pgmq.q_jobs}), 500 + $sent, 'and leaves nothing behind');
is(sql('SELECT drain()'), 500 + $sent, 'every message that was sent is read and deleted on the full disk');
is(sql(q{SELECT queue_length FROM pgmq.metrics('jobs')}), '0', 'the queue is empty');
sql('VACUUM (TRUNCATE false) pgmq.q_jobs');
($sent, $code) = split /\|/, sql('CALL fill(NULL, NULL)');
cmp_ok($sent, '>', 0, 'space that vacuum has freed is used again, before the disk has room');
unlink $flag;
is(sql('SELECT drain()'), $sent, 'and nothing is lost or doubled when it has');
ok(sql(q{SELECT pgmq.send('jobs', '1')}) > 0, 'sends go on');

done_testing();
