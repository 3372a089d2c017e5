"""The PostgreSQL server of the demo: in its folder, on a socket there, gone when the demo is."""

import glob
import os
import pwd
import shutil
import subprocess

from demo_programs import Failure


class Database:
    def __init__(self, folder):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"),
                       key=lambda path: int(path.split("/")[4]))
        if not found:
            raise Failure("no PostgreSQL server is installed")
        self.bin = found[-1]
        self.folder = os.path.join(folder, "database")
        self.data = os.path.join(self.folder, "data")
        os.mkdir(self.folder)
        self.user = None
        if os.geteuid() == 0:  # the server refuses root
            self.user = "postgres"
            os.chmod(folder, 0o755)
            shutil.chown(self.folder, pwd.getpwnam(self.user).pw_uid)
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")
        self.start()
        self.url = f"postgres:///postgres?host={self.folder}&user=postgres"

    def run(self, program, *arguments, text=None):
        """Returns what it says."""
        done = subprocess.run([os.path.join(self.bin, program), *arguments], user=self.user,
                              extra_groups=[] if self.user else None, cwd="/", input=text,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Failure(f"{program}: {done.stderr.strip()}")
        return done.stdout.strip()

    def start(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "-l", os.path.join(self.folder, "log"),
                 "-o", f"-k {self.folder} -c listen_addresses=", "start")

    def restart_after_crash(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "-m", "immediate", "stop")
        self.start()

    def sql(self, text):
        """Runs it as a program in another language would; returns the last value."""
        return self.run("psql", "-h", self.folder, "-U", "postgres", "-v", "ON_ERROR_STOP=1",
                        "-Atq", "postgres", text=text)

    def stop(self):
        try:
            self.run("pg_ctl", "-D", self.data, "-w", "-s", "-m", "immediate", "stop")
        except Failure:
            pass  # it never ran
