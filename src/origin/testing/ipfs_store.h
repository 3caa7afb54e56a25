// Blocks of IPFS, and a tree of them behind a gateway for conformance_test.cc.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "http/testing/raw_origin.h"
#include "origin/ipfs/cid.h"
#include "origin/ipfs/varint.h"
#include "origin/testing/source_fixture.h"
#include "origin/testing/store_under_test.h"

namespace forebay::origin::testing {

/// A field of a protocol buffer.
inline std::string field(std::uint64_t number, std::string_view bytes) {
  std::string out;
  ipfs::append_varint(out, number << 3 | 2);
  ipfs::append_varint(out, bytes.size());
  return out + std::string(bytes);
}
inline std::string field(std::uint64_t number, std::uint64_t value) {
  std::string out;
  ipfs::append_varint(out, number << 3);
  ipfs::append_varint(out, value);
  return out;
}
inline ipfs::cid cid_of(std::uint64_t codec, std::string_view block) {
  const auto digest = sha256(block);
  return {codec, ipfs::hash_sha2_256, std::string(reinterpret_cast<const char*>(digest.data()), digest.size())};
}
/// A link of a dag-pb block; `size_bytes` is what lies below it.
inline std::string link_of(const std::string& name, const ipfs::cid& to, std::uint64_t size_bytes) {
  const std::string binary = "\x01" + std::string(1, static_cast<char>(to.codec)) + "\x12\x20" + to.digest;
  return field(2, field(1, binary) + field(2, name) + field(3, size_bytes));
}
/// A dag-pb block: links in order, then a UnixFS message.
inline std::string block_of(const std::vector<std::pair<std::string, ipfs::cid>>& links, const std::string& unixfs) {
  constexpr std::uint64_t any_size = 7;
  std::string out;
  for (const auto& [name, to] : links) out += link_of(name, to, any_size);
  return out + field(1, unixfs);
}

/// Files of one block each, in plain directories. A new version is another tree: `url` names its root.
class ipfs_store final : public store_under_test {
public:
  ipfs_store()
      : server_([this](raw_connection& peer) {
          for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
            const std::size_t begin = head.find("/ipfs/") + 6;
            const std::string block = find(head.substr(begin, head.find('?') - begin));
            peer.write(block.empty() ? raw_answer("404 Not Found", "", "") : raw_answer("200 OK", "", block));
          }
        }) {}

  std::string url() override {
    const std::lock_guard lock(mutex_);
    return "ipfs://" + directory("").first.to_string() + "?gateways=" + server_.url("");
  }
  void put(const std::string& key, const std::string& body) override {
    const std::lock_guard lock(mutex_);
    files_[key] = body;
  }
  std::string get(const std::string& key) override {
    const std::lock_guard lock(mutex_);
    return files_.contains(key) ? files_[key] : std::string();
  }
  bool speaks_http() const override { return false; } ///< a gateway's status says nothing of the object
  bool writes() const override { return false; }
  bool replaces() const override { return false; }

private:
  std::string find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return blocks_[name];
  }
  std::pair<ipfs::cid, std::uint64_t> keep(std::uint64_t codec, const std::string& block, std::uint64_t below) {
    const ipfs::cid name = cid_of(codec, block);
    blocks_[name.to_string()] = block;
    return {name, block.size() + below};
  }
  /// The block of the directory at `prefix` (empty, or with a slash at its end), and the size of what it names.
  std::pair<ipfs::cid, std::uint64_t> directory(const std::string& prefix) {
    constexpr std::uint64_t type_directory = 1;
    std::set<std::string> names;
    for (const auto& [key, body] : files_) {
      if (!key.starts_with(prefix)) continue;
      const std::size_t slash = key.find('/', prefix.size());
      names.insert(key.substr(prefix.size(), slash == std::string::npos ? slash : slash + 1 - prefix.size()));
    }
    std::string links;
    std::uint64_t below = 0;
    for (const std::string& name : names) {
      const bool deeper = name.ends_with('/');
      const auto [to, size] = deeper ? directory(prefix + name) : keep(ipfs::codec_raw, files_.at(prefix + name), 0);
      links += link_of(name.substr(0, name.size() - (deeper ? 1 : 0)), to, size);
      below += size;
    }
    return keep(ipfs::codec_dag_pb, links + field(1, field(1, type_directory)), below);
  }

  std::mutex mutex_;
  std::map<std::string, std::string> files_, blocks_;
  raw_origin server_; ///< last: its threads use what is above
};

} // namespace forebay::origin::testing
