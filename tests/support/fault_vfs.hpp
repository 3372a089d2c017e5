// FaultVfs is SQLite's own file layer with switches: writes can fail, and syncs can hang or be
// slow.
//
// Place:     tests of the SQLite outbox. Installed as the default layer of the whole process, and
//            never removed, since connections may live until its end.
// Threads:   the switches may be moved while other threads use files.
// Lifetime:  static.
// Failure:   none of its own.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <chrono>

#include "base/mutex.hpp"

namespace postbox::testing {

class FaultVfs {
 public:
  static void install() {
    static sqlite3_vfs vfs = [] {
      real_vfs() = sqlite3_vfs_find(nullptr);
      sqlite3_vfs copy = *real_vfs();
      copy.pNext = nullptr;
      copy.zName = "postbox-fault";
      copy.xOpen = &open;
      return copy;
    }();
    sqlite3_vfs_register(&vfs, 1);
  }

  // Every write returns `code`, SQLITE_FULL for instance; SQLITE_OK ends that.
  static void fail_writes(int code) { write_result() = code; }

  // Every sync returns `code`: what was written may be there or not.
  static void fail_syncs(int code) { sync_result() = code; }

  // Every sync takes so much longer, for a benchmark of slow disks.
  static void slow_syncs(std::chrono::milliseconds by) { delay() = by; }

  // Makes every sync wait until release_syncs().
  static void hold_syncs() {
    const MutexLock lock(gate().mutex);
    gate().closed = true;
  }
  static void release_syncs() {
    const MutexLock lock(gate().mutex);
    gate().closed = false;
    gate().changed.notify_all();
  }
  static void wait_for_a_held_sync() {
    Gate& gate_ref = gate();
    MutexLock lock(gate_ref.mutex);
    while (gate_ref.waiting == 0) gate_ref.changed.wait(lock);
  }

 private:
  struct Gate {
    Mutex mutex;
    ConditionVariable changed;
    bool closed POSTBOX_GUARDED_BY(mutex) = false;
    int waiting POSTBOX_GUARDED_BY(mutex) = 0;
  };

  static sqlite3_vfs*& real_vfs() {
    static sqlite3_vfs* vfs = nullptr;
    return vfs;
  }
  static std::atomic<int>& write_result() {
    static std::atomic<int> result{SQLITE_OK};
    return result;
  }
  static std::atomic<int>& sync_result() {
    static std::atomic<int> result{SQLITE_OK};
    return result;
  }
  static std::atomic<std::chrono::milliseconds>& delay() {
    static std::atomic<std::chrono::milliseconds> delay{};
    return delay;
  }
  static Gate& gate() {
    static Gate gate;
    return gate;
  }
  static std::atomic<const sqlite3_io_methods*>& real_methods() {
    static std::atomic<const sqlite3_io_methods*> methods{nullptr};
    return methods;
  }

  // The main file has another table of methods than journals have; both write and sync alike.
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    const int code = real_vfs()->xOpen(real_vfs(), name, file, flags, out_flags);
    if (code != SQLITE_OK || file->pMethods == nullptr) return code;
    real_methods() = file->pMethods;
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
      static const sqlite3_io_methods main_methods = with_switches(*file->pMethods);
      file->pMethods = &main_methods;
    } else {
      static const sqlite3_io_methods other_methods = with_switches(*file->pMethods);
      file->pMethods = &other_methods;
    }
    return code;
  }

  static sqlite3_io_methods with_switches(sqlite3_io_methods methods) {
    methods.xWrite = &write;
    methods.xSync = &sync;
    return methods;
  }

  static int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    const int code = write_result();
    return code != SQLITE_OK ? code : real_methods().load()->xWrite(file, data, size, offset);
  }

  static int sync(sqlite3_file* file, int flags) {
    {
      Gate& gate_ref = gate();
      MutexLock lock(gate_ref.mutex);
      ++gate_ref.waiting;
      gate_ref.changed.notify_all();
      while (gate_ref.closed) gate_ref.changed.wait(lock);
      const auto until = std::chrono::steady_clock::now() + delay().load();
      while (std::chrono::steady_clock::now() < until) {
        (void)gate_ref.changed.wait_until(lock, until);
      }
      --gate_ref.waiting;
    }
    const int code = sync_result();
    return code != SQLITE_OK ? code : real_methods().load()->xSync(file, flags);
  }
};

}  // namespace postbox::testing
