"""Stand for a process that ``worker_forks.py`` forks: pass on what this one got, end as it does."""

from __future__ import annotations

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    folder = os.getcwd()  # noqa: PTH109 - pathlib takes longer to import than all else here
    request = {"folder": folder, "environment": dict(os.environ), "arguments": sys.argv[2:]}
    content = json.dumps(request).encode()
    socket.send_fds(server, [b"%8d" % len(content)], [0, 1, 2])
    server.sendall(content)
    # The pipes end when the forked process ends, not when this one does.
    os.close(0)
    os.close(1)
    status = server.recv(16)
# A signal has a negative number; a shell would say the same of it.
os._exit(int(status) % 256 if status else 1)
