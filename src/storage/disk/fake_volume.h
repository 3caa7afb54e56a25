// For tests: a directory in memory that loses what was not synced, and breaks when told.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>

#include "storage/disk/format.h"
#include "storage/disk/volume.h"

namespace forebay::storage::disk {

/// The platters: they outlive the `fake_volume` of a run, as a disk outlives a process. Thread-safe.
struct fake_disk {
  struct stored_file {
    std::vector<std::byte> bytes;
    std::map<std::uint64_t, std::vector<std::byte>> before; ///< what unsynced writes replaced
  };
  enum class verdict { ok, io_error, full, read_only, short_write };

  /// What decides how an operation goes; it may be replaced while others ask.
  class judge_slot {
  public:
    using function = std::function<verdict(const char* operation, const std::string& name)>;
    judge_slot& operator=(function judge) {
      auto made = judge ? std::make_shared<const function>(std::move(judge)) : nullptr;
      const std::lock_guard guard(mutex_);
      judge_.swap(made);
      return *this;
    }
    verdict operator()(const char* operation, const std::string& name) const {
      std::unique_lock guard(mutex_);
      const auto judge = judge_;
      guard.unlock();
      return judge ? (*judge)(operation, name) : verdict::ok;
    }

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<const function> judge_;
  };

  std::mutex mutex;
  std::map<std::string, std::shared_ptr<stored_file>> files;
  std::uint64_t capacity_bytes = UINT64_MAX, used_bytes = 0;
  std::uint64_t read_bytes = 0; ///< so far
  bool remembers = true;        ///< false: what unsynced writes replaced is not kept, and no power may be lost
  judge_slot judge;             ///< asked before each operation; default: all goes well. Called without the lock

  verdict ask(const char* operation, const std::string& name) { return judge(operation, name); }
  static error refusal(verdict what, const std::string& name) {
    switch (what) {
    case verdict::full: return {error_kind::exhausted, "disk tier", name + ": no space left", false, 0, {}};
    case verdict::read_only: return {error_kind::forbidden, "disk tier", name + ": read-only", false, 0, {}};
    default: return {error_kind::broken, "disk tier", name + ": input/output error", false, 0, {}};
    }
  }
  /// The power goes: of the writes since the last sync each sector stays or not, as `keep` says.
  void lose_power(const std::function<bool()>& keep) {
    const std::lock_guard guard(mutex);
    for (auto& [name, each] : files) {
      for (const auto& [at, old] : each->before) {
        if (!keep()) std::memcpy(each->bytes.data() + at, old.data(), old.size());
      }
      each->before.clear();
    }
  }
  void flip_bit(const std::string& name, std::uint64_t at) {
    const std::lock_guard guard(mutex);
    files.at(name)->bytes.at(at) ^= std::byte{1};
  }
};

class fake_file final : public file {
public:
  fake_file(fake_disk& on, std::shared_ptr<fake_disk::stored_file> of, std::string name)
      : disk_(on), of_(std::move(of)), name_(std::move(name)) {}

  result<void> read(std::uint64_t at, std::span<std::byte> into) override {
    if (const auto told = disk_.ask("read", name_); told != fake_disk::verdict::ok) {
      return fail(fake_disk::refusal(told, name_));
    }
    const std::lock_guard guard(disk_.mutex);
    if (at % sector_bytes != 0 || into.size() % sector_bytes != 0 || at + into.size() > of_->bytes.size()) {
      return fail(error_kind::broken, "disk tier", name_ + ": read off the sectors or the end");
    }
    std::memcpy(into.data(), of_->bytes.data() + at, into.size());
    disk_.read_bytes += into.size();
    return {};
  }
  result<void> write(std::uint64_t at, std::span<const std::byte> from) override {
    const auto told = disk_.ask("write", name_);
    const std::lock_guard guard(disk_.mutex);
    if (at % sector_bytes != 0 || from.size() % sector_bytes != 0 || at + from.size() > of_->bytes.size()) {
      return fail(error_kind::broken, "disk tier", name_ + ": write off the sectors or the end");
    }
    const std::size_t done = told == fake_disk::verdict::ok            ? from.size()
                             : told == fake_disk::verdict::short_write ? from.size() / 2 / sector_bytes * sector_bytes
                                                                       : 0;
    for (std::size_t sector = 0; disk_.remembers && sector < done; sector += sector_bytes) {
      const std::byte* old = of_->bytes.data() + at + sector;
      of_->before.try_emplace(at + sector, old, old + sector_bytes);
    }
    if (done > 0) std::memcpy(of_->bytes.data() + at, from.data(), done);
    if (told != fake_disk::verdict::ok) return fail(fake_disk::refusal(told, name_));
    return {};
  }
  result<void> sync() override {
    if (const auto told = disk_.ask("sync", name_); told != fake_disk::verdict::ok) {
      return fail(fake_disk::refusal(told, name_));
    }
    const std::lock_guard guard(disk_.mutex);
    of_->before.clear();
    return {};
  }

private:
  fake_disk& disk_;
  std::shared_ptr<fake_disk::stored_file> of_;
  std::string name_;
};

class fake_volume final : public volume {
public:
  explicit fake_volume(fake_disk& on, std::string name = "fake") : disk_(on), name_(std::move(name)) {}

  const std::string& name() const noexcept override { return name_; }
  result<std::vector<std::string>> list() override {
    if (auto told = check("list", name_); !told) return fail(told.error());
    const std::lock_guard guard(disk_.mutex);
    std::vector<std::string> names;
    for (const auto& [name, each] : disk_.files) names.push_back(name);
    return names;
  }
  result<std::unique_ptr<file>> open(const std::string& name) override {
    if (auto told = check("open", name); !told) return fail(told.error());
    const std::lock_guard guard(disk_.mutex);
    const auto found = disk_.files.find(name);
    if (found == disk_.files.end()) return fail(error_kind::not_found, "disk tier", name + " is missing");
    return std::make_unique<fake_file>(disk_, found->second, name);
  }
  result<std::unique_ptr<file>> create(const std::string& name, std::uint64_t bytes) override {
    if (auto told = check("create", name); !told) return fail(told.error());
    const std::lock_guard guard(disk_.mutex);
    if (disk_.used_bytes + bytes > disk_.capacity_bytes) {
      return fail(fake_disk::refusal(fake_disk::verdict::full, name));
    }
    disk_.used_bytes += bytes;
    auto made = std::make_shared<fake_disk::stored_file>();
    made->bytes.resize(static_cast<std::size_t>(bytes));
    disk_.files[name] = made;
    return std::make_unique<fake_file>(disk_, made, name);
  }
  result<void> remove(const std::string& name) override {
    if (auto told = check("remove", name); !told) return told;
    const std::lock_guard guard(disk_.mutex);
    const auto found = disk_.files.find(name);
    if (found == disk_.files.end()) return fail(error_kind::not_found, "disk tier", name + " is missing");
    disk_.used_bytes -= std::min<std::uint64_t>(disk_.used_bytes, found->second->bytes.size());
    disk_.files.erase(found);
    return {};
  }
  result<std::string> read_small(const std::string& name, std::size_t limit_bytes) override {
    if (auto told = check("read", name); !told) return fail(told.error());
    const std::lock_guard guard(disk_.mutex);
    const auto found = disk_.files.find(name);
    if (found == disk_.files.end()) return fail(error_kind::not_found, "disk tier", name + " is missing");
    const auto& bytes = found->second->bytes;
    if (bytes.size() > limit_bytes) return fail(error_kind::broken, "disk tier", name + " is too long");
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  result<void> write_small(const std::string& name, std::string_view text) override {
    if (auto told = check("write", name); !told) return told;
    const std::lock_guard guard(disk_.mutex);
    auto made = std::make_shared<fake_disk::stored_file>();
    const auto bytes = std::as_bytes(std::span(text));
    made->bytes.assign(bytes.begin(), bytes.end());
    disk_.files[name] = made;
    return {};
  }
  result<void> append_small(const std::string& name, std::string_view text) override {
    if (auto told = check("write", name); !told) return told;
    const std::lock_guard guard(disk_.mutex);
    auto& of = disk_.files[name];
    if (of == nullptr) of = std::make_shared<fake_disk::stored_file>();
    const auto bytes = std::as_bytes(std::span(text));
    of->bytes.insert(of->bytes.end(), bytes.begin(), bytes.end());
    return {};
  }

private:
  result<void> check(const char* operation, const std::string& name) {
    const auto told = disk_.ask(operation, name);
    if (told != fake_disk::verdict::ok) return fail(fake_disk::refusal(told, name));
    return {};
  }

  fake_disk& disk_;
  const std::string name_;
};

} // namespace forebay::storage::disk
