// From "az://account/container/prefix?..." to hosts and paths.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "origin/store_url.h"

namespace forebay::origin::azure {

enum class identity_service { none, managed, workload };

/// A parsed "az://account/container[/prefix]?endpoint=&anonymous=true&credentials=NAME&
/// auth=managed-identity|workload-identity&client_id=", or the same as
/// "abfs[s]://container@account.dfs.core.windows.net/prefix".
struct location {
  std::string account, container;
  std::string prefix;      ///< decoded, without the slashes around it
  store_endpoint endpoint; ///< of the account's blobs: "https://account.blob.core.windows.net"
  bool anonymous = false;
  identity_service service = identity_service::none;
  std::string client_id;   ///< of a managed identity among several
  std::string credentials; ///< name of a `[[credentials]]` entry
};

/// invalid_input says what was found and what was expected.
result<location> parse_location(std::string_view url);

} // namespace forebay::origin::azure
