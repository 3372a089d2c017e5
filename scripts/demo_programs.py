"""The programs that the demo runs: Program starts one, keeps its log and ends it."""

import os
import signal
import subprocess


class Failure(Exception):
    """Something is not as promised; the text says what."""


class Program:
    """A child process with its log; it is gone when the demo is."""

    def __init__(self, command, folder, env=None):
        self.name = os.path.basename(command[0])
        self.log_path = os.path.join(folder, self.name + ".log")
        with open(self.log_path, "ab") as log:
            # A session of its own: Ctrl-C reaches this script alone, which then ends the child.
            self.process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE,
                                            stderr=log, text=True, start_new_session=True)

    def wait_until_ready(self):
        line = self.process.stdout.readline().strip()
        if not line.startswith("listening on "):
            raise Failure(f"{self.name} did not start: {self.log() or line}")
        self.url = "http://" + line.removeprefix("listening on ")
        self.port = line.rpartition(":")[2]

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
