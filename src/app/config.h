// The effective configuration: one file, environment and flags over it, every value checked.
//
// Plain structs, filled by `load` from one table of keys (config_keys.h). A loaded configuration is a value:
// immutable by convention, copied and compared freely, without threads of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "app/machine.h"
#include "base/log.h"
#include "cache/cache.h"
#include "front/digest_memory.h"
#include "http/client.h"
#include "http/range.h"
#include "http/server.h"
#include "net/address.h"
#include "net/tls/certificate_files.h"
#include "origin/factory.h"
#include "space/access.h"
#include "space/space.h"

namespace forebay::app {

/// A secret that is written in the configuration or lies in a file beside it, never both.
struct secret {
  std::string text;  ///< as written
  std::string file;  ///< where it lies
  std::string value; ///< in force: `text`, or what `file` held when the configuration was loaded
};

/// `[[listen]]`
struct listen_config {
  std::string address;            ///< "host:port", ":port", "[v6]:port"
  std::vector<std::string> serve; ///< "data", "s3", "admin"
  bool tls = false;
  bool by_default = false;                  ///< nobody asked for it: a node that cannot have it does without
  std::string client_certificates = "none"; ///< with TLS: "none", "optional" or "required"
  std::string client_ca{};                  ///< a PEM file of their authorities
  std::vector<std::string> client_names{};  ///< patterns; empty: any
  bool serves(std::string_view role) const;
};

/// `[tls]`
struct tls_config {
  std::vector<net::certificate_files> certificates;
  std::string minimum_version = "1.2";                   ///< "1.2" or "1.3"
  bool kernel = true;                                    ///< kTLS, where kernel and library have it
  std::chrono::milliseconds ticket_rotation{43'200'000}; ///< age at which a new key seals session tickets
  std::chrono::milliseconds watch{60'000};               ///< how often files are looked at; 0: at a reload alone
};

/// `[[node.disk]]`
struct disk_config {
  std::string path;
  std::uint64_t size_bytes = 0;
  std::uint64_t segment_bytes = 0; ///< 0: 64 MiB, or 1/64 of a smaller disk
  bool by_default = false;         ///< nobody asked for it: a node that cannot have it does without
};

/// `[node]`
struct node_config {
  std::string name; ///< never empty once loaded: the host's name
  std::string site = "local";
  std::optional<double> latitude, longitude; ///< degrees, both or none
  unsigned threads = 0;                      ///< once loaded: event loops, at least 1
  std::string memory = "25%";                ///< as written: a size or a share
  std::uint64_t memory_bytes = 0;            ///< once loaded: what `memory` comes to on this machine
  std::vector<disk_config> disks;
  std::chrono::milliseconds drain_timeout{30'000}; ///< Kubernetes kills after 30 s by default
  log::level log_level = log::level::info;
  std::string access_log = "off";    ///< "off", "stderr" or a file
  unsigned access_log_queue = 8'192; ///< lines; a slow disk costs lines, never requests
};

/// `[[namespace]] cold`
struct cold_config {
  std::string url; ///< empty: none
  std::uint64_t size_bytes = 100ull << 30;
  std::chrono::milliseconds lifetime{std::chrono::hours(24 * 30)};
  std::chrono::milliseconds timeout{2'000};
  unsigned connections = 16;
};

/// `[namespace.allow]`: alternatives by which readers come into a namespace that is not public
struct allow_config {
  std::vector<net::ip_network> networks;
  std::vector<std::string> certificates; ///< patterns of names
  std::vector<std::string> issuers;      ///< names of `[[issuers]]` whose tokens name paths
  std::vector<std::string> signing_keys; ///< ids of `[[signing_keys]]`
  bool any() const { return !(networks.empty() && certificates.empty() && issuers.empty() && signing_keys.empty()); }
};

/// `[[issuers]]`: whose bearer tokens are taken
struct issuer_config {
  std::string name;
  std::string issuer; ///< `iss`
  std::vector<std::string> audiences;
  std::string profile = "claims"; ///< or "wlcg", "scitokens"
  std::string jwks_url;           ///< empty: discovery
  std::string jwks_file;          ///< instead of a fetch
  std::vector<std::string> algorithms{"RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"};
  std::vector<std::string> required_claims;
  std::chrono::seconds leeway{60};
  std::chrono::seconds keys_lifetime{6 * 3600};
};

/// `[[grants]]`: what tokens of an issuer may do in a namespace
struct grant_config {
  std::string name_space;          ///< its path
  std::string issuer;              ///< its name
  std::string claim;               ///< empty: any token
  std::vector<std::string> values; ///< one of them
  std::vector<std::string> prefixes{""};
  std::vector<std::string> actions{"read", "list"};
};

/// `[[signing_keys]]`: what URLs are signed with
struct signing_key_config {
  std::string id;
  secret key;
};

/// `[[namespace]]`
struct namespace_config {
  std::string path; ///< as a `space_map` wants it: "/era5"; "" for "/"
  std::vector<std::string> origins;
  std::string semantics = "objects"; ///< or "http"
  space::freshness_policy freshness;
  space::disk_policy disk;
  cold_config cold;
  bool write = false;
  bool public_write = false;
  bool tell_origins = false;
  std::vector<std::string> mirrors;
  bool listing = true;
  bool is_public = true; ///< once loaded: false where `allow` or grants name who may come in
  allow_config allow;
  std::string access = "node"; ///< or "origin": it decides for each reader
  space::access_policy access_policy;
  std::string bucket;                      ///< as written
  std::optional<double> egress_usd_per_gb; ///< of all origins; absent: the public list price, where known
  std::vector<double> prices;              ///< or one for each origin
  /// Price of the origin at `index` for `origin::source_settings` (-1: the list price).
  double price_of(std::size_t index) const;
  bool origin_decides() const { return access == "origin"; }
  /// Its name for S3 clients: as written, or from the path.
  std::string bucket_name() const;
};

/// `[[credentials]]`
struct credential_config {
  std::string name;
  std::string access_key_id, username;
  secret secret_access_key, session_token, password, bearer_token, google_key, account_key, sas_token;
  net::certificate_files certificate; ///< `client_certificate` and `client_key`
  /// It says which node asks, and nothing else.
  bool only_certificate() const;
  origin::credential_entry entry() const;
};

/// `[[s3.keys]]`: what clients of the S3 listener sign with
struct s3_key_config {
  std::string access_key_id;
  secret secret_access_key;
  std::vector<std::string> buckets{"*"};
  bool write = false;
};

/// `[s3]`
struct s3_config {
  std::vector<std::string> hosts; ///< "s3.example.org": buckets are its subdomains
  std::vector<s3_key_config> keys;
};

/// `[network]`
struct network_config {
  std::vector<net::ip_network> allow_private;
  std::string proxy;     ///< empty: none
  std::string ca_bundle; ///< empty: the system's
  std::vector<net::ip_network> trusted_proxies;
  bool proxies_say_forwarded = false;
  std::vector<std::string> ipfs_gateways; ///< of IPFS origins that name none
};

/// `[limits]`
struct limits_config {
  http::server_limits server;
  http::client_limits client;
  origin::origin_limits origin;
  cache::cache_limits cache;
  space::access_limits access;
  unsigned tokens = 10'000;                       ///< verified ones that are remembered
  std::chrono::milliseconds keys_timeout{10'000}; ///< a fetch of an issuer's keys
  std::chrono::milliseconds keys_pause{30'000};   ///< between fetches for keys that are not known
  std::uint64_t keys_bytes = 256 * 1024;          ///< a key set or discovery document
  unsigned connections = 20'000;                  ///< of readers, whole node
  unsigned connections_per_client = 2'000;        ///< an HPC centre may stand behind one address
  unsigned requests_per_client = 10'000;          ///< in a second
  std::chrono::milliseconds queue_delay{50};      ///< a hundred busy connections on a core are no overload
  std::uint64_t slow_reader_bytes = 4 * 1024;     ///< within `server.send_stall`
  unsigned tls_handshakes = 4'096;                ///< in progress: more than one client may have connections
  std::chrono::milliseconds tls_handshake_timeout{10'000};
  unsigned ranges = http::max_ranges; ///< in one request
  unsigned remembered_hits = 8'192;   ///< of each thread
  front::digest_limits digests;
  std::uint64_t disk_queue_bytes =
      512ull << 20; ///< waiting to be written; lowered to a quarter of the memory, for all directories
  std::uint64_t disk_index_bytes = 512ull << 20; ///< memory for the index of one directory
  unsigned disk_reads = 1'024;                   ///< waiting for one directory
  std::uint64_t cold_queue_bytes = 64ull << 20;  ///< waiting for cold tiers; lowered to an eighth of the memory
  std::uint64_t cold_index_bytes = 256ull << 20; ///< memory for the index of all cold tiers
};

/// `[admin]`
struct admin_config {
  secret token;
  std::vector<std::string> client_names; ///< patterns of names of client certificates that need no token
};

/// Where a value was written.
struct place {
  std::string source;            ///< the file's name, "FOREBAY_NODE_MEMORY" or "--set"
  unsigned line = 0, column = 0; ///< from 1; 0 outside files
  /// "forebay.toml:3:5" or "FOREBAY_NODE_MEMORY".
  std::string to_string() const;
};

/// One mistake of the configuration, in words that end the search.
struct mistake {
  place at;
  std::string key;      ///< "namespace[0].freshness.ttl"; empty for a mistake of syntax
  std::string found;    ///< never a secret
  std::string expected; ///< or what to do
  /// "forebay.toml:3:5: node.memory: found the string "4G"; expected a size such as "4GiB"".
  std::string message() const;
};

struct config {
  config(); ///< the defaults: what runs when nothing is configured (machine-dependent values unresolved)

  std::vector<listen_config> listen;
  tls_config tls;
  node_config node;
  std::vector<namespace_config> namespaces;
  space::open_store_policy open;
  std::vector<credential_config> credentials;
  s3_config s3;
  std::vector<issuer_config> issuers;
  std::vector<grant_config> grants;
  std::vector<signing_key_config> signing_keys;
  network_config network;
  limits_config limits;
  admin_config admin;

  /// Whether a grant is for this namespace.
  bool has_grants(const namespace_config& space) const;

  std::map<std::string, place, std::less<>> places; ///< of every value that was written, by key

  /// What http clients need, of `network` and `limits`.
  http::client_settings client_settings() const;
  /// What origins need, but for the price, which each namespace has its own of.
  origin::source_settings source_settings() const;
};

/// What `load` reads.
struct load_input {
  std::string file_name; ///< for messages; empty: no file
  std::string file_text;
  std::vector<std::pair<std::string, std::string>> environment; ///< name and value; others than FOREBAY_* are skipped
  std::vector<std::string> sets;                                ///< "key=value" of `--set`; win over the environment
  machine_resources machine;
  bool touch_files = true; ///< false: files that the configuration names are not looked at (fuzzing)
};

template <class T>
using load_result = tl::expected<T, std::vector<mistake>>;

/// The effective configuration, or every mistake, in the order of the file.
load_result<config> load(const load_input& input);

enum class environment_use { apply, ignore };

/// The same from the file at `path` (empty: none), this process's environment and machine. A file that cannot be
/// read is a mistake.
load_result<config> load_file(const std::string& path, const std::vector<std::string>& sets,
                              environment_use environment = environment_use::apply);

/// What differs between two configurations.
struct change {
  std::string key;      ///< "limits.connections", or the group: "namespace"
  std::string from, to; ///< as TOML, secrets masked
  bool needs_restart;   ///< SIGHUP cannot bring it into force
};
std::vector<change> diff(const config& before, const config& after);

/// The effective configuration as TOML, secrets masked; a comment behind each value that was written somewhere.
std::string show(const config& effective);

/// docs/reference/configuration.md.
std::string reference();

} // namespace forebay::app
