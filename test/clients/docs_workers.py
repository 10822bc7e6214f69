#!/usr/bin/env python3
"""The workers that the manual shows do the jobs that it sends.

usage: docs_workers.py SOCKET_DIRECTORY PORT DIRECTORY [NODE_DIRECTORY]

DIRECTORY is the source tree, and NODE_DIRECTORY has pg in its node_modules.  For each page the SQL blocks are run in a
database of their own.  Then its worker is started as it stands there, but for the connection, and must leave no job of
its queue undone.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import psycopg

SOCKET, PORT, SOURCE, *NODE = sys.argv[1:]
PAGES = {
    # page: what must be so at last
    "README.md": "SELECT count(*) = 1 FROM shipments",
    "docs/jobs.md": "SELECT count(*) = 1 FROM pgmq.q_jobs",         # the delayed one
    "docs/recipes/sending.md": "SELECT count(*) = 2 FROM documents WHERE embedding[1] > 0",
}
failed = False


def connect(database):
    return psycopg.connect(f"host={SOCKET} port={PORT} user=postgres dbname={database}", autocommit=True)


def blocks(page, language):
    with open(f"{SOURCE}/{page}", encoding="utf-8") as file:
        return re.findall(rf"^```{language}\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)


def undone(db, queue):
    return db.execute(f"SELECT count(*) FROM pgmq.q_{queue} WHERE headers ? 'kind' AND vt < now() + interval '10 min'"
                      ).fetchone()[0]


def try_page(page, language, code):
    """The error of a page's worker, or None."""
    queue = re.search(r"""Worker\([^,]*, ['"](\w+)['"]""", code)[1]
    database = "docs_" + re.sub(r"\W", "_", page).lower() + "_" + language
    with connect("postgres") as db:
        db.execute(f"CREATE DATABASE {database}")
    sql = "\n".join(blocks(page, "sql"))
    subprocess.run(["psql", "-X", "-q", "-h", SOCKET, "-p", PORT, "-U", "postgres", "-d", database],
                   input=sql, text=True, capture_output=True, check=True)
    with tempfile.TemporaryDirectory() as directory, connect(database) as db:
        if language == "python":
            shutil.copy(f"{SOURCE}/examples/python/worker.py", directory)
            command = [sys.executable, f"{directory}/program"]
        else:
            shutil.copy(f"{SOURCE}/examples/node/worker.js", directory)
            os.symlink(f"{NODE[0]}/node_modules", f"{directory}/node_modules")
            connection = {"host": SOCKET, "port": int(PORT), "user": "postgres", "database": database}
            code = code.replace("{ host: '/var/run/postgresql' }", json.dumps(connection))
            command = ["node", f"{directory}/program"]
        with open(f"{directory}/program", "w", encoding="utf-8") as file:
            file.write(code)
        if not undone(db, queue):
            return f"the page sends no jobs to {queue}"
        with open(f"{directory}/log", "w+", encoding="utf-8") as log:
            where = {"PGHOST": SOCKET, "PGPORT": PORT, "PGUSER": "postgres", "PGDATABASE": database}
            worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | where)
            end = time.monotonic() + 120
            while undone(db, queue) and worker.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            worker.terminate()
            status = worker.wait(60)
            log.seek(0)
            said = log.read()
        if undone(db, queue) or status != 0 or "attempt" in said:
            return f"{undone(db, queue)} jobs undone, exit code {status}:\n{said}"
        if not db.execute(PAGES[page]).fetchone()[0]:
            return f"not so: {PAGES[page]}\n{said}"
    return None


for page in PAGES:
    for language in ("python", "js"):
        for code in blocks(page, language):
            if "worker" not in code or language == "js" and not NODE:
                continue
            error = try_page(page, language, code)
            print(f"{'not ok' if error else 'ok'} docs.{page}.{language}")
            if error:
                failed = True
                print("# " + error.replace("\n", "\n# "))
sys.exit(failed)
