"""`make run` prints what it says: an address that answers, a command that works, and an end when it is asked to end."""

import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

from urllib3 import PoolManager

ROOT = Path(__file__).parent.parent.parent


def test_it_takes_a_free_port_and_the_printed_command_works_when_pasted() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "infra.local.run", "--port", str(port)]
        running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert running.stdout
            lines = []
            for line in running.stdout:
                lines.append(line)
                if "Ctrl-C" in line:
                    break
            assert any(f"port {port} is taken" in line for line in lines)
            words = shlex.split(next(line for line in lines if line.startswith("curl")))
            url = next(word for word in words if word.startswith("http://127.0.0.1:"))
            headers = dict(words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H")
            body = words[words.index("--data-binary") + 1].encode()
            answer = PoolManager(retries=False).request("POST", url, body=body, headers=headers)
            assert (answer.status, answer.data) == (200, b"ok")
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == 0
        finally:
            running.kill()
            running.communicate()


def test_a_wrong_apps_file_is_named_in_one_line(tmp_path: Path) -> None:
    apps = tmp_path / "apps.json"
    apps.write_text('{"apps": [{"platform": "meta"}]}')
    command = [sys.executable, "-m", "infra.local.run", "--apps", str(apps)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"run: {apps}:1: apps[0].") and done.stderr.count("\n") == 1
