"""A server of their own for the programs of this folder."""
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time

import psycopg

# Errors of class XX that PostgreSQL has for DDL that meets.
TOLERATED = re.compile('tuple concurrently (?:updated|deleted)')


class Find(Exception):
    pass


class Server:
    """Below .dir lie the data (.data), the log and the socket (in .socket).

    conf is added to postgresql.conf; start() writes what may change between
    two starts into a file that this one includes.
    """

    def __init__(self, prefix, conf, preload=True, keep=False, initdb=()):
        self.bindir = os.environ.get('PG_BINDIR') or sys.exit('set PG_BINDIR to the bin directory of a server with pgmq_c')
        for name in list(os.environ):
            if name.startswith('PG') and name != 'PG_BINDIR':
                del os.environ[name]
        self.preload = preload
        self.keep = keep
        self.dir = tempfile.mkdtemp(prefix=prefix + '.')
        self.data = self.dir + '/data'
        self.socket = self.dir
        self.user = None
        self.log_read = 0           # bytes of the log, and shots found there
        self.shots = 0
        if os.getuid() == 0:
            self.user = os.environ.get('CLIENT_USER', 'postgres')
            os.chown(self.dir, pwd.getpwnam(self.user).pw_uid, -1)
        os.chmod(self.dir, 0o755)
        self.run('initdb', '-D', self.data, '-U', 'postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--no-locale', *initdb)
        with open(self.data + '/postgresql.conf', 'a') as f:
            f.write(f"""
listen_addresses = ''
unix_socket_directories = '{self.socket}'
log_min_messages = log
restart_after_crash = on
log_line_prefix = '%m [%p] '
log_error_verbosity = verbose
log_min_error_statement = error
{conf}
include_if_exists = 'torture.conf'
""")

    def run(self, program, *args, check=True):
        command = [self.bindir + '/' + program, *args]
        if self.user:
            command = ['runuser', '-u', self.user, '--'] + command
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, cwd='/')
        if check and done.returncode != 0:
            raise Find(f'{program} failed: {done.stdout}')
        return done.returncode == 0

    def configure(self, data, memory_kb, more=''):
        with open(data + '/torture.conf', 'w') as f:
            if self.preload:
                f.write(f"shared_preload_libraries = 'pgmq_c'\npgmq_c.shared_memory = {memory_kb}\n")
            f.write(more)
        os.chmod(data + '/torture.conf', 0o644)

    def start(self, memory_kb, more='', check=True):
        self.configure(self.data, memory_kb, more)
        return self.run('pg_ctl', '-D', self.data, '-l', self.dir + '/log', '-w', '-s', 'start', check=check)

    def stop(self, mode):
        self.run('pg_ctl', '-D', self.data, '-m', mode, '-w', '-s', 'stop', check=False)

    def connect(self, tries=1, dbname='torture', **more):
        for left in reversed(range(tries)):
            try:
                return psycopg.connect(host=self.socket, user='postgres', dbname=dbname, autocommit=True, **more)
            except psycopg.OperationalError:
                if left == 0:
                    raise
                time.sleep(0.05)

    def log_complaints(self, shots, allowed=None):
        """What must never stand in the server's log; shots were asked for."""
        complaints = []
        with open(self.dir + '/log', 'rb') as f:
            f.seek(self.log_read)
            text = f.read()
        text = text[: text.rfind(b'\n') + 1]
        self.log_read += len(text)
        lines = text.decode(errors='replace').split('\n')
        for i, line in enumerate(lines):
            if 'terminated by signal 9:' in line:
                self.shots += 1
                if self.shots <= shots:
                    continue
            elif not re.search(r'TRAP:|PANIC|due map of queue .* had hidden|terminated by signal|(?:ERROR|FATAL):  XX', line) or TOLERATED.search(line):
                continue
            elif allowed and re.search(allowed, line):
                continue
            # with its context and statement, which follow
            pid = re.search(r'\[\d+\]', line)
            more = [l for l in lines[i + 1 : i + 40] if not pid or pid.group() in l or l.startswith('\t')][:12]
            complaints.append('\n'.join([line] + more))
        return complaints

    def log_end(self, lines):
        with open(self.dir + '/log', errors='replace') as f:
            return [line.rstrip() for line in f if 'checkpoint' not in line][-lines:]

    def remove(self):
        self.stop('immediate')
        if self.keep:
            print('kept', self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
