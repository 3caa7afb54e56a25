// Sources from the URLs that operators write.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/tls/certificate_files.h"
#include "origin/source.h"

namespace forebay::origin {

/// Named keys of the configuration (`[[credentials]]`).
struct credential_entry {
  std::string name;
  std::string access_key_id, secret_access_key, session_token; ///< S3
  std::string username, password;                              ///< HTTP basic
  std::string bearer_token;
  std::string google_key{};             ///< Google Cloud Storage: the JSON of a service account's or a user's key file
  std::string account_key{};            ///< Azure Blob: the account's shared key, in base64
  std::string sas_token{};              ///< Azure Blob: a shared access signature, "sv=...&sig=..."
  net::certificate_files certificate{}; ///< HTTPS: shown to servers that ask for one
};

struct origin_limits {
  std::chrono::milliseconds read_timeout{60'000}; ///< head of an answer, over all attempts
  unsigned attempts = 3;                          ///< per read
  std::chrono::milliseconds retry_base{100};      ///< first back-off; doubles, full jitter
  std::chrono::milliseconds retry_cap{5'000};
  std::chrono::milliseconds throttle_pause{60'000};  ///< longest pause that an origin may ask of all its readers
  unsigned connections = 64;                         ///< concurrent exchanges with one origin, whole node
  unsigned host_connections = 256;                   ///< the same with one host, of all origins that lie there
  unsigned breaker_failures = 10;                    ///< consecutive failures that open the breaker
  std::chrono::milliseconds breaker_open{3'000};     ///< how long it refuses before one probe
  unsigned redirects = 5;                            ///< followed per read, within the policy
  unsigned file_threads = 8;                         ///< of each tree of files, so that one that hangs holds up its own
  unsigned file_queue = 1'024;                       ///< calls that wait for them; beyond: exhausted
  std::uint64_t ipfs_remembered_bytes = 16ull << 20; ///< inner nodes, for each list of gateways
  std::chrono::seconds login_pause{30};              ///< a login that failed is not tried again for so long
};

struct source_settings {
  std::vector<credential_entry> credentials;
  origin_limits limits;
  double egress_usd_per_gb = -1;          ///< -1: the public list price of the store's kind and region, where known
  std::string node_name;                  ///< for Via and CDN-Loop
  std::vector<std::string> ipfs_gateways; ///< of IPFS origins that name none
  /// The configuration itself names this origin, so its host may have a private or loopback address. False
  /// for stores that readers name in a path; a redirect to another host is always checked.
  bool operator_named = false;
  /// The source shows what each reader brings instead of credentials of its own, be they named in its URL or in the
  /// environment. For http, https, gs and az.
  bool carries_tokens = false;
};

/// "http[s]://host[:port][/prefix][?credentials=name]", or
/// "s3://bucket[/prefix]?endpoint=&region=&anonymous=true&style=path|virtual&profile=&credentials=&auth=&
/// requester_pays=", "gs://bucket[/prefix]?endpoint=&anonymous=true&credentials=&auth=metadata&user_project=",
/// "az://account/container[/prefix]?endpoint=&anonymous=true&credentials=&auth=managed-identity|workload-identity&
/// client_id=" (also "abfs[s]://container@account.dfs.core.windows.net/prefix"),
/// "swift://container[/prefix]?storage_url=", or with auth_url= and credentials= (swift/location.h),
/// "ipfs://CID[/path]?gateways=https://a,https://b", or
/// "file:///directory?symlinks=inside|follow|refuse&settle=&present=&tree=". invalid_input says what was expected.
/// Equal URLs and credentials share limits and breaker.
result<std::shared_ptr<source>> make_source(std::string_view url, const source_settings& settings);

} // namespace forebay::origin
