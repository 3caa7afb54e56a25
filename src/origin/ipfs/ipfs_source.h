// Objects below a CID, from gateways that are not believed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "origin/ipfs/gateways.h"

namespace forebay::origin::ipfs {

/// "ipfs://CID[/path]?gateways=https://a,https://b", taken apart.
struct location {
  cid root;
  std::string path;                  ///< below it, without slashes at its ends
  std::vector<std::string> gateways; ///< empty: the node's own
};
result<location> parse_location(std::string_view url);

/// A tree of content-addressed blocks. Thread-safe: immutable. What it answers is what the CID says, or nothing.
class ipfs_source final : public source, public std::enable_shared_from_this<ipfs_source> {
public:
  /// invalid_input where `url` is off or no gateway is known.
  static result<std::shared_ptr<source>> make(std::string_view url, const source_settings& settings);

  const std::string& name() const noexcept override { return name_; }
  identity identify(const std::string& key, const std::string& query) const override;
  net::task<result<read_answer>> read(read_request asked) override;
  net::task<result<listing>> list(list_request asked) override;
  net::task<result<write_answer>> write(write_request asked) override;

  ipfs_source(location where, std::shared_ptr<gateways> from, const source_settings& settings);

private:
  std::string full_path(const std::string& key) const;
  net::task<result<std::vector<list_entry>>> list_directory(std::string key, net::deadline until);

  location where_;
  std::shared_ptr<gateways> from_;
  std::string name_;
  origin_limits limits_;
};

} // namespace forebay::origin::ipfs
