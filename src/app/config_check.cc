#include "app/config_check.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <system_error>
#include <unistd.h>

#include "app/config_access.h"
#include "app/config_tls.h"
#include "app/config_values.h"
#include "base/text.h"
#include "base/units.h"
#include "origin/ipfs/gateways.h"

namespace forebay::app {
namespace {

/// Beyond, the reader has seen the point; a fuzzer or a wrong file could make millions.
constexpr std::size_t mistakes_max = 200;
constexpr std::size_t secret_file_bytes_max = 64 * 1024; // the longest tokens (JWTs) have a few KiB

/// One pass over a configuration. Finds places by key, and is silent about keys whose own values are wrong.
class checker {
public:
  checker(const config& made, bool touch_files, std::vector<mistake>& mistakes)
      : made_(made), touch_files_(touch_files), mistakes_(mistakes), of_values_(mistakes.size()) {}

  void check_all() {
    check_listeners();
    const auto say = [this](const std::string& key, std::string found, std::string expected) {
      report(key, std::move(found), std::move(expected));
    };
    check_tls(made_, touch_files_, say);
    check_access_rules(made_, touch_files_, say);
    check_mirrors(made_, say);
    check_client_certificates(made_, touch_files_, say);
    check_node();
    check_namespaces();
    check_credentials();
    check_s3_keys();
    check_network();
    check_limits();
  }

private:
  bool written(std::string_view key) const { return made_.places.contains(key); }
  /// Nothing is wrong with the value itself. Two contradictions of one key are two mistakes.
  bool settled(std::string_view key) const {
    return std::none_of(mistakes_.begin(), mistakes_.begin() + static_cast<std::ptrdiff_t>(of_values_),
                        [key](const mistake& one) { return one.key == key; });
  }
  bool items_settled(std::string_view key, std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i) {
      if (!settled(item_of(key, i))) return false;
    }
    return true;
  }
  place place_of(const std::string& key) const {
    for (std::string at = key; !at.empty();
         at.resize(at.find_last_of(".[") == std::string::npos ? 0 : at.find_last_of(".["))) {
      if (const auto found = made_.places.find(at); found != made_.places.end()) return found->second;
    }
    return {"default", 0, 0};
  }
  void report(const std::string& key, std::string found, std::string expected) {
    if (settled(key)) add_mistake(mistakes_, {place_of(key), key, std::move(found), std::move(expected)});
  }
  static std::string at(std::string_view group, std::size_t index, std::string_view rest) {
    return fmt::format("{}[{}].{}", group, index, rest);
  }

  void check_listeners();
  void check_node();
  void check_segment(std::size_t disk);
  void check_namespaces();
  void check_bucket(std::size_t index);
  void check_access(std::size_t index);
  void check_s3_keys();
  void check_origins(const namespace_config& space, std::size_t index);
  void check_semantics(const namespace_config& space, std::size_t index);
  void check_cold(std::size_t index);
  void check_named_keys(const std::string& url, const std::string& item);
  void check_credentials();
  void check_network();
  void check_limits();

  const config& made_;
  bool touch_files_;
  std::vector<mistake>& mistakes_;
  std::size_t of_values_; ///< so many of them came with the values
};

struct host_port {
  std::string_view host, port;
};
host_port split_address(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return {address, {}};
  const std::string_view host = address.substr(0, colon);
  return {host == "*" ? std::string_view() : host, address.substr(colon + 1)};
}

bool is_loopback(std::string_view host) {
  if (host == "localhost") return true;
  const auto parsed = net::ip_address::parse(host);
  if (!parsed) return false;
  return *parsed == *net::ip_address::parse("::1") || (parsed->is_v4() && parsed->bytes()[0] == 127);
}

bool is_any_of_family(std::string_view host, std::string_view other) {
  const auto one = net::ip_address::parse(host);
  const auto two = net::ip_address::parse(other);
  if (!one || !two || one->is_v4() != two->is_v4()) return false;
  const auto& bytes = one->bytes();
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

/// SO_REUSEPORT would let both bind, and the kernel would deal connections to either.
bool addresses_clash(std::string_view a, std::string_view b) {
  const auto one = split_address(a), two = split_address(b);
  if (one.port != two.port || one.port == "0") return false;
  return one.host == two.host || one.host.empty() || two.host.empty() || is_any_of_family(one.host, two.host) ||
         is_any_of_family(two.host, one.host);
}

void checker::check_listeners() {
  bool data = false;
  for (std::size_t i = 0; i < made_.listen.size(); ++i) {
    const listen_config& one = made_.listen[i];
    const std::string roles = at("listen", i, "serve");
    data = data || one.serves("data") || one.serves("s3") || !settled(roles) || !items_settled(roles, one.serve.size());
    if (one.serve.empty()) report(roles, "an empty list", "at least one of \"data\", \"s3\" and \"admin\"");
    for (std::size_t j = 0; j < i; ++j) {
      const bool known = !made_.listen[j].address.empty() && !one.address.empty(); // empty: was refused already
      if (!known || !addresses_clash(made_.listen[j].address, one.address)) continue;
      report(at("listen", i, "address"), toml_string(one.address),
             fmt::format("an address that does not clash with \"{}\" ({})", made_.listen[j].address,
                         place_of(at("listen", j, "address")).to_string()));
      break; // the first says it
    }
    const bool open_admin =
        one.serves("admin") && !one.address.empty() && !is_loopback(split_address(one.address).host);
    const bool token = !made_.admin.token.text.empty() || !made_.admin.token.file.empty();
    const bool named = one.client_certificates == "optional" && !made_.admin.client_names.empty();
    const bool by_certificate = one.tls && (one.client_certificates == "required" || named);
    if (open_admin && !token && !by_certificate) {
      report(
          at("listen", i, "address"), fmt::format("admin at {}, which others can reach", toml_string(one.address)),
          "a loopback address, admin.token (or admin.token_file), or tls with client_certificates = \"required\" (or "
          "\"optional\" and admin.client_names)");
    }
  }
  if (!data) report("listen", "no listener that serves data", "one with serve = [\"data\"]");
}

void checker::check_node() {
  const node_config& node = made_.node;
  const std::string lat = "node.coordinates.lat", lon = "node.coordinates.lon";
  if (written(lat) != written(lon)) {
    report(written(lat) ? lat : lon, fmt::format("no \"{}\"", written(lat) ? "lon" : "lat"),
           "both lat and lon, or neither");
  }
  for (std::size_t i = 0; i < node.disks.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (node.disks[i].path.empty() || node.disks[i].path != node.disks[j].path) continue;
      report(at("node.disk", i, "path"), toml_string(node.disks[i].path) + " twice", "each directory once");
      break;
    }
    check_segment(i);
  }
  const bool log_file = node.access_log != "off" && node.access_log != "stderr";
  if (touch_files_ && log_file) {
    const std::filesystem::path folder = std::filesystem::path(node.access_log).parent_path();
    std::error_code failure;
    if (!std::filesystem::is_directory(folder, failure)) {
      report("node.access_log", toml_string(node.access_log),
             fmt::format("a file in a directory that exists, which \"{}\" does not", folder.string()));
    }
  }
}

/// As the store cuts it (`segment_bytes_for`): another length would be lowered without a word.
void checker::check_segment(std::size_t disk) {
  constexpr std::uint64_t least = 64u << 20, disk_share = 64;
  const disk_config& of = made_.node.disks[disk];
  if (of.segment_bytes == 0) return;
  const bool fits = of.segment_bytes <= of.size_bytes / disk_share;
  if (fits && of.segment_bytes >= least && std::has_single_bit(of.segment_bytes)) return;
  report(at("node.disk", disk, "segment"), toml_string(format_size(of.segment_bytes)),
         "a power of two from 64MiB to 256MiB, at most 1/64 of the size; or 0");
}

void checker::check_namespaces() {
  for (std::size_t i = 0; i < made_.namespaces.size(); ++i) {
    const namespace_config& space = made_.namespaces[i];
    const std::string key = at("namespace", i, "path");
    for (std::size_t j = 0; j < i && written(key); ++j) {
      const std::string other = at("namespace", j, "path");
      if (space.path != made_.namespaces[j].path || !written(other) || !settled(other)) continue;
      report(key, fmt::format("the path \"{}\" twice", space.path.empty() ? "/" : space.path),
             fmt::format("each path once; the first is at {}", place_of(other).to_string()));
      break;
    }
    check_bucket(i);
    check_access(i);
    check_origins(space, i);
    check_semantics(space, i);
    check_cold(i);
    if (space.egress_usd_per_gb && !space.prices.empty()) {
      report(at("namespace", i, "prices"), "both prices and egress_usd_per_gb", "one of them");
    } else if (!space.prices.empty() && !space.origins.empty() && space.prices.size() != space.origins.size()) {
      report(at("namespace", i, "prices"),
             fmt::format("{} prices for {} origins", space.prices.size(), space.origins.size()),
             "one price for each origin, in their order");
    }
  }
}

void checker::check_semantics(const namespace_config& space, std::size_t index) {
  if (space.semantics == "objects") return;
  if (space.semantics != "http") {
    report(at("namespace", index, "semantics"), toml_string(space.semantics), "\"objects\" or \"http\"");
    return;
  }
  for (const std::string& origin : space.origins) {
    if (origin.starts_with("http://") || origin.starts_with("https://")) continue;
    report(at("namespace", index, "semantics"), "\"http\" over a store that is no web server",
           "http:// and https:// origins, or semantics = \"objects\"");
    return;
  }
}

bool given(const secret& one) { return !one.text.empty() || !one.file.empty(); }

/// Whether an entry holds what the store of an origin takes.
struct store_keys {
  std::string_view store, expected;
  bool given;
};
store_keys keys_for(const credential_config& entry, std::string_view url) {
  if (url.starts_with("s3:")) return {"s3", "an entry with access_key_id", !entry.access_key_id.empty()};
  if (url.starts_with("swift:")) return {"swift", "an entry with username and password", !entry.username.empty()};
  if (url.starts_with("gs:")) return {"gs", "an entry with google_key_file", given(entry.google_key)};
  if (url.starts_with("az:") || url.starts_with("abfs"))
    return {"az", "an entry with account_key or sas_token", given(entry.account_key) || given(entry.sas_token)};
  const bool shown = !entry.certificate.cert.empty() && !url.starts_with("http:"); // TLS alone asks for one
  return {"http", "an entry with username, bearer_token or (https) client_certificate",
          !entry.username.empty() || given(entry.bearer_token) || shown};
}

void checker::check_bucket(std::size_t index) {
  const namespace_config& space = made_.namespaces[index];
  for (std::size_t j = 0; j < index; ++j) {
    const namespace_config& other = made_.namespaces[j];
    if (space.bucket_name() != other.bucket_name() || space.path == other.path) continue; // equal paths were told
    report(at("namespace", index, "bucket"), fmt::format("the bucket name \"{}\" twice", space.bucket_name()),
           fmt::format("each name once; the other namespace is \"{}\"", other.path.empty() ? "/" : other.path));
    return;
  }
}

void checker::check_access(std::size_t index) {
  const namespace_config& space = made_.namespaces[index];
  const std::string key = at("namespace", index, "access");
  if (space.access != "node" && !space.origin_decides())
    return report(key, toml_string(space.access.substr(0, 200)), "\"node\" or \"origin\"");
  for (std::size_t i = 0; i < space.origins.size(); ++i) {
    if (space.origin_decides() || !has_only_login(space.origins[i])) continue;
    report(item_of(at("namespace", index, "origins"), i), "login without credentials or netrc, which it needs",
           "one of them, or access = \"origin\"");
  }
  if (!space.origin_decides()) return;
  // A token is a secret between its reader and one host.
  if (space.origins.size() > 1)
    report(key, fmt::format("\"origin\" with {} origins", space.origins.size()), "one origin, which decides");
  const std::string origin = space.origins.empty() ? std::string() : space.origins.front();
  if (!origin.empty() && !takes_tokens(origin))
    report(key, "\"origin\" with an origin that takes no bearer token",
           "an origin at http://, https://, gs:// or az://");
  if (!is_web(origin) && origin_parameter(origin, "anonymous") == "true")
    report(key, "\"origin\" with anonymous=true", "one of them: the readers' tokens are shown to the store");
  // With the node's own credentials a reader could write; with his own the origin would have to be asked otherwise.
  if (space.write) report(key, "\"origin\" with write = true", "write = false: readers bring a right to read");
  const bool rules = space.allow.any() || made_.has_grants(space);
  if (!space.is_public)
    report(key, rules ? "\"origin\" with allow or grants" : "\"origin\" with public = false", "one of them");
  // There each reader's Authorization is a part of the request that the origin judges.
  if (space.semantics == "http")
    report(key, "\"origin\" with semantics = \"http\"",
           "semantics = \"objects\", or access = \"node\": what a token gave is then kept for nobody else (RFC 9111 "
           "§3.5)");
}

void checker::check_s3_keys() {
  for (std::size_t i = 0; i < made_.s3.keys.size(); ++i) {
    const s3_key_config& one = made_.s3.keys[i];
    if (one.secret_access_key.text.empty() && one.secret_access_key.file.empty())
      report(fmt::format("s3.keys[{}]", i), "access_key_id alone", "secret_access_key or secret_access_key_file");
    for (std::size_t j = 0; j < i; ++j) {
      if (one.access_key_id.empty() || one.access_key_id != made_.s3.keys[j].access_key_id) continue;
      report(at("s3.keys", i, "access_key_id"), toml_string(one.access_key_id) + " twice", "each key once");
    }
  }
}

void checker::check_origins(const namespace_config& space, std::size_t index) {
  const std::string key = at("namespace", index, "origins");
  if (space.origins.empty() && written(key)) report(key, "an empty list", "at least one URL");
  for (std::size_t i = 0; i < space.origins.size(); ++i) {
    check_named_keys(space.origins[i], item_of(key, i));
  }
}

/// What `?credentials=` of a URL names.
void checker::check_named_keys(const std::string& url, const std::string& item) {
  const auto name = origin_parameter(url, "credentials");
  if (!name || !settled(item)) return;
  const auto entry = std::find_if(made_.credentials.begin(), made_.credentials.end(),
                                  [&name](const auto& one) { return one.name == *name; });
  if (entry == made_.credentials.end()) {
    std::vector<std::string_view> names;
    for (const credential_config& one : made_.credentials) names.push_back(one.name);
    const auto near = nearest_word(*name, names);
    report(item, fmt::format("credentials={}", to_valid_utf8(*name)),
           near.empty() ? "the name of an entry of [[credentials]]" : fmt::format("perhaps \"{}\"", near));
    return;
  }
  const store_keys wanted = keys_for(*entry, url);
  if (!wanted.given)
    report(item, fmt::format("the credentials \"{}\" for an {} origin", *name, wanted.store),
           std::string(wanted.expected));
}

/// A prefix has one owner, and what lies there is found by records on the disk.
void checker::check_cold(std::size_t index) {
  const std::string& url = made_.namespaces[index].cold.url;
  if (url.empty()) return;
  const std::string key = at("namespace", index, "cold.url");
  if (const auto wrong = check_origin(url)) {
    report(key, wrong->found, wrong->expected);
    return;
  }
  check_named_keys(url, key);
  if (url.starts_with("ipfs:")) report(key, toml_string(url), "a store that can be written, which IPFS is not");
  if (written("node.disk") && made_.node.disks.empty())
    report(key, "a cold tier without a disk tier", "node.disk: the records that lead to cold bytes lie on the disk");
  const auto place = [](const std::string& of) { return std::string_view(of).substr(0, of.find('?')); };
  for (std::size_t j = 0; j < index; ++j) {
    if (place(made_.namespaces[j].cold.url) != place(url)) continue;
    report(key, fmt::format("{} twice", toml_string(place(url))), "another prefix for each namespace");
    return;
  }
}

void checker::check_credentials() {
  for (std::size_t i = 0; i < made_.credentials.size(); ++i) {
    const credential_config& one = made_.credentials[i];
    for (std::size_t j = 0; j < i; ++j) {
      if (one.name.empty() || one.name != made_.credentials[j].name) continue;
      report(at("credentials", i, "name"), toml_string(one.name) + " twice",
             fmt::format("each name once; the first is at {}", place_of(at("credentials", j, "name")).to_string()));
      break;
    }
    const std::string key = fmt::format("credentials[{}]", i);
    const bool key_id = !one.access_key_id.empty(), key_secret = given(one.secret_access_key);
    const bool user = !one.username.empty(), password = given(one.password), bearer = given(one.bearer_token);
    if (key_id != key_secret)
      report(key, key_id ? "access_key_id alone" : "secret_access_key alone", "both or neither");
    if (user != password) report(key, user ? "username alone" : "password alone", "both or neither");
    if (given(one.session_token) && !key_id)
      report(key, "session_token alone", "access_key_id and secret_access_key with it");
    if (user && bearer) report(key, "both username and bearer_token", "one of them");
    if (given(one.account_key) && given(one.sas_token)) report(key, "both account_key and sas_token", "one of them");
    const bool cloud = given(one.google_key) || given(one.account_key) || given(one.sas_token) ||
                       !one.certificate.cert.empty() || !one.certificate.key.empty();
    if (!key_id && !key_secret && !user && !password && !bearer && !cloud) {
      report(key, "no secret",
             "access_key_id with secret_access_key, username with password, bearer_token, google_key_file, "
             "account_key, sas_token or client_certificate");
    }
  }
}

void checker::check_network() {
  for (std::size_t i = 0; i < made_.network.ipfs_gateways.size(); ++i) {
    const std::string& url = made_.network.ipfs_gateways[i];
    if (!origin::ipfs::gateways::check({url}))
      report(item_of("network.ipfs_gateways", i), toml_string(url), "a gateway such as https://gateway.example.org");
  }
  if (!made_.open.ipfs_cids.empty() && made_.network.ipfs_gateways.empty())
    report("open.ipfs_cids", "no gateway", "network.ipfs_gateways with it");
  const std::string& bundle = made_.network.ca_bundle;
  if (!touch_files_ || bundle.empty()) return;
  std::error_code failure;
  if (!std::filesystem::is_regular_file(bundle, failure) || ::access(bundle.c_str(), R_OK) != 0) {
    report("network.ca_bundle", toml_string(bundle), "a file of PEM certificates that this user may read");
  }
}

void checker::check_limits() {
  const limits_config& limits = made_.limits;
  const auto no_more = [this](const std::string& small, auto small_value, const std::string& large, auto large_value,
                              auto spell) {
    if (small_value <= large_value) return;
    // Said of the one that was written; when both were, of the smaller name's.
    const bool blame_small = written(small) || !written(large);
    report(blame_small ? small : large, spell(blame_small ? small_value : large_value),
           blame_small ? fmt::format("no more than {} ({})", large, spell(large_value))
                       : fmt::format("no less than {} ({})", small, spell(small_value)));
  };
  const auto size = [](std::uint64_t bytes) { return format_size(bytes); };
  const auto length = [](std::chrono::milliseconds value) { return format_duration(value); };
  const auto number = [](std::uint64_t value) { return fmt::format("{}", value); };
  no_more("limits.target_bytes", limits.server.target_bytes, "limits.header_bytes", limits.server.header_bytes, size);
  no_more("limits.connections_per_client", limits.connections_per_client, "limits.connections", limits.connections,
          number);
  no_more("limits.fill_window", limits.cache.fill_window_bytes, "node.memory", made_.node.memory_bytes, size);
  no_more("limits.small_object", limits.cache.small_object_bytes, "node.memory", made_.node.memory_bytes, size);
  no_more("limits.pinned_bytes_per_client", limits.cache.pinned_bytes_per_client, "node.memory",
          made_.node.memory_bytes, size);
  no_more("limits.connect_timeout", limits.client.connect_timeout, "limits.read_timeout", limits.cache.read_timeout,
          length);
  no_more("limits.first_byte_timeout", limits.client.first_byte_timeout, "limits.read_timeout",
          limits.cache.read_timeout, length);
}

/// `json`: line breaks and tabs become blanks, which JSON does not tell apart.
tl::expected<std::string, std::string> read_secret_file(const std::string& path, bool json) {
  std::error_code failure;
  if (!std::filesystem::is_regular_file(path, failure)) return tl::unexpected(std::string("not a file"));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(secret_file_bytes_max + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || !file.is_open()) return tl::unexpected(std::system_category().message(errno != 0 ? errno : EIO));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > secret_file_bytes_max)
    return tl::unexpected(fmt::format("more than {} bytes", secret_file_bytes_max));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back(); // editors end files with one
  if (text.empty()) return tl::unexpected(std::string("empty"));
  if (json)
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  const bool control =
      std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (control) return tl::unexpected(std::string("more than one line")); // it would break out of a header field
  return text;
}

} // namespace

void add_mistake(std::vector<mistake>& mistakes, mistake one) {
  if (mistakes.size() < mistakes_max) mistakes.push_back(std::move(one));
}

void read_secrets(config& made, bool touch_files, std::vector<mistake>& mistakes) {
  for (const key_info& key : keys()) {
    if (key.type != value_type::secret) continue;
    const group_info* const group = group_of(key.path);
    const std::size_t count = group != nullptr ? group->size(made) : 1;
    for (std::size_t i = 0; i < count; ++i) {
      secret& one = *std::get<secret*>(key.at(made, i));
      one.value = one.text;
      if (one.file.empty()) continue;
      const std::string instance = instance_of(key.path, i) + "_file";
      const auto written = made.places.find(instance);
      const place at = written != made.places.end() ? written->second : place{};
      if (!one.text.empty()) {
        add_mistake(mistakes, {at, instance, fmt::format("both {} and {}_file", key.path, key.path), "one of them"});
      } else if (touch_files) {
        auto value = read_secret_file(one.file, key.path == "credentials.google_key");
        if (value) {
          one.value = std::move(*value);
        } else {
          add_mistake(mistakes, {at, instance, fmt::format("{} ({})", toml_string(one.file), value.error()),
                                 "a readable file that holds the secret in one line"});
        }
      }
    }
  }
}

void check(const config& made, bool touch_files, std::vector<mistake>& mistakes) {
  checker(made, touch_files, mistakes).check_all();
}

} // namespace forebay::app
