// Objects in a tree of files: a local disk, Lustre, NFS.
#pragma once

#include <memory>
#include <string>

#include "base/metrics.h"
#include "net/offload.h"
#include "origin/file/tree.h"
#include "origin/gate.h"

namespace forebay::origin::file {

/// The workers of a tree: each has its own, so that a file server that hangs holds up its own readers alone. Shared by
/// all sources of that root while one is alive. Whoever lets go of them last does not wait for calls that hang.
std::shared_ptr<net::worker_pool> workers_of(const std::string& root, const origin_limits& limits);

/// A tree of files. Thread-safe: immutable. Every call of the file system runs on the tree's workers.
class file_source final : public source, public std::enable_shared_from_this<file_source> {
public:
  /// "file:///absolute/path[?symlinks=inside|follow|refuse][&settle=5s][&present=name][&tree=name]".
  static result<std::shared_ptr<source>> make(std::string_view url, const source_settings& settings);
  /// What `make` would refuse, without a look at the disk.
  static result<tree> parse(std::string_view url);

  const std::string& name() const noexcept override { return tree_->name; }
  identity identify(const std::string& key, const std::string& query) const override;
  net::task<result<read_answer>> read(read_request asked) override;
  net::task<result<listing>> list(list_request asked) override;
  net::task<result<write_answer>> write(write_request asked) override;

  file_source(tree of, std::string endpoint, const source_settings& settings);

private:
  /// True when the file is new.
  net::task<result<bool>> put(std::shared_ptr<write_request> asked, net::deadline until);
  net::task<result<void>> fill(std::shared_ptr<write_request> asked, std::shared_ptr<upload> to, net::deadline until);
  net::task<result<void>> remove(std::shared_ptr<write_request> asked, net::deadline until);

  std::shared_ptr<const tree> tree_;
  std::string endpoint_; ///< whose tree this is, for identities
  std::shared_ptr<net::worker_pool> workers_;
  std::shared_ptr<gate> gate_; ///< its counters; there are no connections
  metrics::counter& bytes_;
  origin_limits limits_;
};

} // namespace forebay::origin::file
