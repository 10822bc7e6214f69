#!/usr/bin/env python3
"""Forward messages from an outbox to queues on other servers, each once.

usage: forwarder.py FROM TO OUTBOX

FROM and TO are connection strings: of the database whose transactions send to
queue OUTBOX, and of a server or router with the queues that the messages are for.
A message's header "to" names its queue. That queue needs a policy with
dedup_window, and on a router by_key where it is spread: what was sent, and not yet
deleted here when this program died, is sent again with the same id.

A message that cannot be sent, as it names no queue that is there, comes again after
a minute, and the others go on. With max_reads and dead_letter_queue in the outbox's
policy it ends among the dead letters.
"""
import json
import sys
import time

import psycopg


def forward(here, there, outbox, wait=5):
    """Forward what is there, or comes within so many seconds. Returns how many."""
    rows = here.execute("SELECT msg_id, message::text, headers FROM pgmq.read_with_poll(%s, 60, 100, %s)", (outbox, wait)).fetchall()
    sent = []
    for msg_id, message, headers in rows:
        headers = {"x-pgmq-dedup-id": f"{outbox}-{msg_id}", **(headers or {})}
        try:
            there.execute("SELECT pgmq.send(%s, %s::jsonb, %s::jsonb)", (headers.pop("to", None), message, json.dumps(headers)))
            sent.append(msg_id)
        except psycopg.OperationalError:
            raise                       # the server, not the message
        except psycopg.Error as error:
            print(f"forwarder: message {msg_id} of {outbox}: {error}", file=sys.stderr, flush=True)
    here.execute("SELECT pgmq.delete(%s, %s::bigint[])", (outbox, sent))
    return len(sent)


def main(source, target, outbox):
    while True:
        try:
            with psycopg.connect(source, autocommit=True) as here, psycopg.connect(target, autocommit=True) as there:
                while True:
                    forward(here, there, outbox)
        except psycopg.Error as error:
            print(f"forwarder: {error}", file=sys.stderr, flush=True)
            time.sleep(1)


if __name__ == "__main__":
    main(*sys.argv[1:4])
