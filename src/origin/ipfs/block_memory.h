// Blocks that are asked for again and again: the inner nodes of files and directories.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace forebay::origin::ipfs {

/// The most recently used blocks, up to a number of bytes. Thread-safe.
class block_memory {
public:
  explicit block_memory(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  std::shared_ptr<const std::string> find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return found->second->second;
  }
  void keep(const std::string& name, std::shared_ptr<const std::string> block) {
    const std::lock_guard lock(mutex_);
    if (by_name_.contains(name)) return;
    bytes_ += block->size();
    order_.emplace_front(name, std::move(block));
    by_name_[name] = order_.begin();
    while (bytes_ > bytes_max_) {
      bytes_ -= order_.back().second->size();
      by_name_.erase(order_.back().first);
      order_.pop_back();
    }
  }

private:
  using entry = std::pair<std::string, std::shared_ptr<const std::string>>;
  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::list<entry> order_; ///< the most recently used first
  std::unordered_map<std::string, std::list<entry>::iterator> by_name_;
  std::size_t bytes_ = 0;
};

} // namespace forebay::origin::ipfs
