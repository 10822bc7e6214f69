
# Shared memory from the DSM registry where there is no room for it: everything
# goes on without it, and no message is hidden from sessions that get it later.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A library that reads from a file for what there is no room.
my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/room.c", q{
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int is(const char *what)
{
	char path[1024];
	int saved = errno, yes;

	snprintf(path, sizeof path, "%s/%s", getenv("TEST_ROOM"), what);
	yes = access(path, F_OK) == 0;
	errno = saved;
	return yes;
}

int posix_fallocate(int fd, off_t from, off_t size)
{
	static int (*real)(int, off_t, off_t);

	if (is("none") || (is("little") && size > 10000000))
		return ENOSPC;
	if (!real)
		real = (int (*)(int, off_t, off_t)) dlsym(RTLD_NEXT, "posix_fallocate");
	return real(fd, from, size);
}

int shm_open(const char *name, int flags, mode_t mode)
{
	static int (*real)(const char *, int, mode_t);

	if (is("closed"))
		return errno = ENOMEM, -1;
	if (!real)
		real = (int (*)(const char *, int, mode_t)) dlsym(RTLD_NEXT, "shm_open");
	return real(name, flags, mode);
}
});

my $node = PostgreSQL::Test::Cluster->new('main');
plan skip_all => 'there is no DSM registry before PostgreSQL 17' if $node->pg_version < 17;
plan skip_all => 'no library can be put before the others here'
  if system("cc -shared -fPIC -o $dir/room.so $dir/room.c -ldl 2>$dir/log") != 0;
$node->init(extra => ['--no-sync']);
$node->append_conf('postgresql.conf', q{
dynamic_shared_memory_type = posix
max_prepared_transactions = 2
});

sub room
{
	my ($what) = @_;

	unlink map { "$dir/$_" } qw(none little closed);
	append_to_file("$dir/$what", '') if $what ne 'enough';
}

sub start_with
{
	room('enough');
	$node->stop if defined $node->{_pid};
	{
		local $ENV{TEST_ROOM} = $dir;
		local $ENV{LD_PRELOAD} = "$dir/room.so";
		$node->start;
	}
	room(@_);
}

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub got { return sql(q{SELECT coalesce(string_agg(msg_id::text, ' ' ORDER BY msg_id), 'nothing') FROM pgmq.read('q', 600, 100)}) }
sub exhaust { got(); return got() }
sub map_now { return sql(q{SELECT due_map FROM pgmq.engine_status() WHERE queue_name = 'q'}) }
my $everything = q{SELECT pgmq.send('q', '1'); INSERT INTO pgmq.q_q (message) VALUES ('2');
	SELECT count(*) FROM pgmq.read('q', 0, 10); SELECT count(*) FROM pgmq.delete('q', ARRAY(SELECT msg_id FROM pgmq.q_q))};

# No room at all, then some
start_with('none');
my ($rc, $out, $err) = $node->psql('postgres', "CREATE EXTENSION pgmq_c; SELECT pgmq.create('q'); $everything");
is($rc, 0, 'no room: everything works') or diag $err;
my @warnings = $err =~ /WARNING:  pgmq_c works without shared memory, and is slower\n.*DETAIL:  .*No space left.*\n.*HINT:  .*shared_preload_libraries.*min_dynamic_shared_memory/g;
is(scalar(@warnings), 1, '.. and a session says once why it is slower');
is(map_now(), 'no shared memory', '.. as the status does');

my %open = map { $_ => $node->background_psql('postgres', on_error_stop => 0) } qw(sends late undone);
my $id = $open{sends}->query(q{BEGIN; SELECT pgmq.send('q', '3')});
$open{late}->query(q{BEGIN; SELECT pgmq.engine_status()});
$open{undone}->query(q{BEGIN; SAVEPOINT s; SELECT pgmq.send('q', '4'); ROLLBACK TO s});
room('enough');
is(exhaust(), 'nothing', 'when there is room');
isnt(map_now(), 'no shared memory', '.. there is memory');
isnt(map_now(), 'on', '.. but not what can be relied on');
$open{late}->query(q{INSERT INTO pgmq.q_q (message) VALUES ('6')});
$open{undone}->query(q{INSERT INTO pgmq.q_q (message) VALUES ('7')});
is(exhaust(), 'nothing', '.. nothing is there before the senders commit');
$open{sends}->query('COMMIT');
is(got(), $id, '.. and what was sent without memory when one does');
exhaust();
$open{late}->query('COMMIT');
isnt(got(), 'nothing', '.. also by one that had not written yet');
exhaust();
$open{undone}->query('COMMIT');
isnt(got(), 'nothing', '.. or only what was undone');
exhaust();
is(exhaust(), 'nothing', '.. once');
is(map_now(), 'on', '.. and when all have ended there is the map');
$_->quit foreach values %open;
is(sql(q{SELECT sum(net_finds) FROM pgmq.engine_status()}), 0, 'nothing was hidden');

# A session that cannot attach to the memory that others have
my $has = $node->background_psql('postgres', on_error_stop => 0);
$has->query(q{SELECT pgmq.engine_status()});
my $comes = $node->background_psql('postgres', on_error_stop => 0);
room('closed');
$out = $comes->query($everything);
$err = $comes->{stderr};
like($err, qr/ERROR:  .*\n.*DETAIL:  Other sessions may have pgmq_c's shared memory.*\n.*HINT:  .*min_dynamic_shared_memory/, 'who cannot come to the memory of others is refused');
unlike($err, qr/WARNING/, '.. and does not go without');
is($out, '', '.. with anything');
room('enough');
$comes->{stderr} = '';
isnt($comes->query($everything), '', '.. until it can');
$comes->quit;
is($has->query(q{SELECT due_map FROM pgmq.engine_status()}), 'on', '.. which does not concern these');
$has->quit;

# Room for the registry, but not for us
start_with('little');
($rc, $out, $err) = $node->psql('postgres', $everything);
is($rc, 0, 'little room: everything works') or diag $err;
like($err, qr/WARNING:  pgmq_c goes without/, '.. slower');
($rc, $out, $err) = $node->psql('postgres', $everything);
is($rc, 0, '.. for the next session too') or diag $err;
my $sends = $node->background_psql('postgres', on_error_stop => 0);
$id = $sends->query(q{BEGIN; SELECT pgmq.send('q', '8')});
room('enough');
is(exhaust(), 'nothing', '.. and when there is room');
$sends->query('COMMIT');
is(got(), $id, '.. nothing is hidden');
$sends->quit;

# A prepared transaction goes without the memory to its end
start_with('none');
sql(q{BEGIN; SELECT pgmq.send('q', '9'); PREPARE TRANSACTION 'p'});
room('enough');
is(exhaust(), 'nothing', 'prepared when there was no room');
sql(q{COMMIT PREPARED 'p'});
isnt(got(), 'nothing', '.. and there when that commits');
is(exhaust(), 'nothing', '.. once');
start_with('enough');
is(exhaust(), 'nothing', 'after a restart');
is(map_now(), 'on', '.. there is the map');
$node->stop;
done_testing();
