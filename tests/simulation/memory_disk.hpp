// MemoryDisk is SQLite's file layer on a disk that exists in memory and can do what disks do: lose
// or tear what was not synced when the power goes, be full, and fail.
//
// Place:     tests of the whole engine on virtual time. Installed as the process's default layer.
// Threads:   one.
// Lifetime:  static; format() empties it.
// Failure:   as asked for.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace postbox::simulation {

class MemoryDisk {
 public:
  static MemoryDisk& instance() {
    static MemoryDisk disk;
    return disk;
  }

  // Makes it the layer of every database that is opened from now on.
  void install() {
    static sqlite3_vfs vfs = [] {
      sqlite3_vfs copy = *sqlite3_vfs_find(nullptr);
      copy.pNext = nullptr;
      copy.zName = "postbox-memory-disk";
      copy.szOsFile = sizeof(Handle);
      copy.xOpen = &open;
      copy.xDelete = &remove;
      copy.xAccess = &access;
      return copy;
    }();
    sqlite3_vfs_register(&vfs, 1);
  }

  void format(std::uint64_t seed) {
    while (!files_.empty()) discard(files_.begin());
    random_.seed(seed);
    write_error = SQLITE_OK;
    error_in = 1;
    gone = false;
    dies_in = 0;
    ignore_syncs = false;
    writes = 0;
  }

  // Writes, truncations and syncs that were asked for.
  std::uint64_t writes = 0;

  // Everything that is asked of the disk fails: the process is no more.
  bool gone = false;

  // The process dies in the middle of something: at the so-manieth write or sync from now.
  std::uint64_t dies_in = 0;

  // One of `error_in` writes and syncs returns it.
  int write_error = SQLITE_OK;
  std::uint64_t error_in = 1;

  // A broken disk, or a broken program: sync() does nothing.
  bool ignore_syncs = false;

  // The power goes: of what was not synced, each write is kept, lost or torn.
  void cut_power() {
    for (auto& [name, file] : files_) {
      file->content = file->synced;
      for (const Change& change : file->unsynced) {
        const std::uint64_t fate = random_() % 3;
        if (fate == 0) continue;
        const bool torn = fate == 1 && change.bytes.size() > kSector;
        const std::size_t sectors = change.bytes.size() / kSector;
        apply(file->content, change, torn ? kSector * (random_() % sectors) : change.bytes.size());
      }
      file->synced = file->content;
      file->unsynced.clear();
    }
  }

 private:
  static constexpr std::size_t kSector = 512;
  static constexpr int kShmLocks = SQLITE_SHM_NLOCK;

  struct Change {
    std::size_t offset = 0;
    std::string bytes;
    bool truncates = false;  // to `offset`
  };
  struct Handle;
  struct File {
    std::string content;
    std::string synced;
    std::vector<Change> unsynced;
    std::vector<Handle*> handles;
    std::vector<std::unique_ptr<std::array<char, 32'768>>> shm;
  };
  struct Handle {
    sqlite3_file base;
    File* file;
    int lock;
    std::array<int, kShmLocks> shm_locks;  // 0 none, 1 shared, 2 exclusive
  };

  using Files = std::map<std::string, std::unique_ptr<File>>;

  // Memory that was paged in once is used again: a life opens dozens of logs of megabytes.
  void discard(Files::iterator file) {
    file->second->content.clear();
    file->second->synced.clear();
    file->second->unsynced.clear();
    file->second->handles.clear();
    file->second->shm.clear();
    blank_.push_back(std::move(file->second));
    files_.erase(file);
  }
  std::unique_ptr<File> blank_file() {
    if (blank_.empty()) return std::make_unique<File>();
    auto file = std::move(blank_.back());
    blank_.pop_back();
    return file;
  }

  static void apply(std::string& content, const Change& change, std::size_t bytes) {
    if (change.truncates) return content.resize(std::min(content.size(), change.offset));
    if (bytes == 0) return;
    if (content.size() < change.offset + bytes) content.resize(change.offset + bytes);
    content.replace(change.offset, bytes, change.bytes, 0, bytes);
  }

  static void settle(File& file) {
    for (const Change& change : file.unsynced) apply(file.synced, change, change.bytes.size());
    file.unsynced.clear();
  }

  // What a change or a sync returns before anything is done.
  int trouble() {
    ++writes;
    if (dies_in > 0 && --dies_in == 0) gone = true;
    if (gone) return SQLITE_IOERR;
    if (write_error == SQLITE_OK || random_() % error_in != 0) return SQLITE_OK;
    return write_error;
  }

  int change(File& file, Change change) {
    if (const int code = trouble(); code != SQLITE_OK) return code;
    apply(file.content, change, change.bytes.size());
    file.unsynced.push_back(std::move(change));
    return SQLITE_OK;
  }

  static Handle& of(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file); }

  static int open(sqlite3_vfs*, const char* name, sqlite3_file* base, int, int* out_flags) {
    MemoryDisk& disk = instance();
    Handle& handle = of(base);
    handle.base.pMethods = nullptr;
    if (disk.gone) return SQLITE_CANTOPEN;
    auto& file = disk.files_[name == nullptr ? "" : name];
    if (!file) file = disk.blank_file();
    new (&handle) Handle{{&methods()}, file.get(), SQLITE_LOCK_NONE, {}};
    file->handles.push_back(&handle);
    if (out_flags != nullptr) *out_flags = SQLITE_OPEN_READWRITE;
    return SQLITE_OK;
  }

  static int remove(sqlite3_vfs*, const char* name, int) {
    if (instance().gone) return SQLITE_IOERR;
    // Whoever has it open keeps it, as on a real disk; nobody of ours does.
    MemoryDisk& disk = instance();
    if (const auto found = disk.files_.find(name); found != disk.files_.end()) disk.discard(found);
    return SQLITE_OK;
  }

  static int access(sqlite3_vfs*, const char* name, int, int* result) {
    const auto found = instance().files_.find(name);
    *result = found != instance().files_.end() && !found->second->content.empty() ? 1 : 0;
    return SQLITE_OK;
  }

  static const sqlite3_io_methods& methods() {
    static const sqlite3_io_methods table = [] {
      sqlite3_io_methods m{};
      m.iVersion = 2;
      m.xClose = [](sqlite3_file* file) {
        std::erase(of(file).file->handles, &of(file));
        if (of(file).file->handles.empty()) of(file).file->shm.clear();
        return SQLITE_OK;
      };
      m.xRead = &read;
      m.xWrite = [](sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
        return instance().change(*of(file).file, {static_cast<std::size_t>(offset),
                                                  std::string(static_cast<const char*>(data),
                                                              static_cast<std::size_t>(size))});
      };
      m.xTruncate = [](sqlite3_file* file, sqlite3_int64 size) {
        return instance().change(*of(file).file, {static_cast<std::size_t>(size), {}, true});
      };
      m.xSync = [](sqlite3_file* file, int) {
        const int code = instance().trouble();
        if (code == SQLITE_OK && !instance().ignore_syncs) settle(*of(file).file);
        return code;
      };
      m.xFileSize = [](sqlite3_file* file, sqlite3_int64* size) {
        *size = static_cast<sqlite3_int64>(of(file).file->content.size());
        return SQLITE_OK;
      };
      m.xLock = &lock;
      m.xUnlock = [](sqlite3_file* file, int level) {
        of(file).lock = std::min(of(file).lock, level);
        return SQLITE_OK;
      };
      m.xCheckReservedLock = [](sqlite3_file* file, int* result) {
        *result = others_lock(of(file)) >= SQLITE_LOCK_RESERVED ? 1 : 0;
        return SQLITE_OK;
      };
      m.xFileControl = [](sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; };
      m.xSectorSize = [](sqlite3_file*) { return static_cast<int>(kSector); };
      m.xDeviceCharacteristics = [](sqlite3_file*) { return 0; };
      m.xShmMap = &shm_map;
      m.xShmLock = &shm_lock;
      m.xShmBarrier = [](sqlite3_file*) {};
      m.xShmUnmap = [](sqlite3_file* file, int) {
        of(file).shm_locks = {};
        return SQLITE_OK;
      };
      return m;
    }();
    return table;
  }

  static int read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
    if (instance().gone) return SQLITE_IOERR_READ;
    const std::string& content = of(file).file->content;
    const auto begin = std::min(static_cast<std::size_t>(offset), content.size());
    const auto wanted = static_cast<std::size_t>(size);
    const auto have = std::min(wanted, content.size() - begin);
    std::memcpy(data, content.data() + begin, have);
    if (have == wanted) return SQLITE_OK;
    std::memset(static_cast<char*>(data) + have, 0, wanted - have);
    return SQLITE_IOERR_SHORT_READ;
  }

  // The highest lock that another handle has on the same file.
  static int others_lock(const Handle& handle) {
    int highest = SQLITE_LOCK_NONE;
    for (const Handle* other : handle.file->handles) {
      if (other != &handle) highest = std::max(highest, other->lock);
    }
    return highest;
  }

  static int lock(sqlite3_file* file, int level) {
    const int others = others_lock(of(file));
    const bool free = level == SQLITE_LOCK_SHARED     ? others < SQLITE_LOCK_PENDING
                      : level == SQLITE_LOCK_RESERVED ? others < SQLITE_LOCK_RESERVED
                                                      : others == SQLITE_LOCK_NONE;
    if (!free) return SQLITE_BUSY;
    of(file).lock = std::max(of(file).lock, level);
    return SQLITE_OK;
  }

  static int shm_map(sqlite3_file* file, int region, int, int extend, void volatile** memory) {
    auto& shm = of(file).file->shm;
    const auto index = static_cast<std::size_t>(region);
    *memory = nullptr;
    if (index >= shm.size() && extend == 0) return SQLITE_OK;
    while (index >= shm.size()) shm.push_back(std::make_unique<std::array<char, 32'768>>());
    *memory = shm[index]->data();
    return SQLITE_OK;
  }

  static int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
    Handle& handle = of(file);
    const int wanted = (flags & SQLITE_SHM_UNLOCK) != 0   ? 0
                       : (flags & SQLITE_SHM_SHARED) != 0 ? 1
                                                          : 2;
    const auto first = static_cast<std::size_t>(offset);
    for (std::size_t slot = first; slot < first + static_cast<std::size_t>(count); ++slot) {
      for (const Handle* other : handle.file->handles) {
        if (wanted == 0 || other == &handle) continue;
        if (other->shm_locks.at(slot) == 2 || (wanted == 2 && other->shm_locks.at(slot) != 0)) {
          return SQLITE_BUSY;
        }
      }
    }
    for (std::size_t slot = first; slot < first + static_cast<std::size_t>(count); ++slot) {
      handle.shm_locks.at(slot) = wanted;
    }
    return SQLITE_OK;
  }

  Files files_;
  std::vector<std::unique_ptr<File>> blank_;
  std::mt19937_64 random_;
};

}  // namespace postbox::simulation
