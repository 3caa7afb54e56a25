#include "origin/gcs/tokens.h"

#include <fmt/format.h>

#include <fstream>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sstream>

#include "base/base64.h"
#include "http/url.h"
#include "origin/json_text.h"
#include "origin/token_service.h"

namespace forebay::origin::gcs {
namespace {

using token_fetch = renewed<std::string>::fetch;

constexpr std::string_view storage_scope = "https://www.googleapis.com/auth/devstorage.read_write";
constexpr std::string_view google_tokens = "https://oauth2.googleapis.com/token";
/// The longest life that Google gives an assertion.
constexpr std::chrono::seconds assertion_life{3600};

tl::unexpected<error> invalid(const std::string& source, std::string context) {
  return fail(error_kind::invalid_input, source, std::move(context));
}

shown share(const std::string& service, const std::string& scope, token_fetch fetch) {
  return {find_shared<bearer_authority>(
              fmt::format("gcs token {} {}", scope, service),
              [&] { return std::make_shared<bearer_authority>(renewed<std::string>(service, std::move(fetch))); }),
          scope};
}

// ---- Keys -------------------------------------------------------------------------------------------------------

constexpr const char* token_name = "the token service of Google";

net::task<result<issued<std::string>>> fetch_with_key(std::shared_ptr<const key_file> key, net::deadline until) {
  std::string form;
  if (key->service_account()) {
    auto assertion = sign_assertion(*key, system_clock().wall());
    if (!assertion) co_return fail(std::move(assertion.error()));
    form = form_of({{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", *assertion}});
  } else {
    form = form_of({{"grant_type", "refresh_token"},
                    {"client_id", key->client},
                    {"client_secret", key->client_secret},
                    {"refresh_token", key->refresh_token}});
  }
  make_request make = [url = key->token_url, form] { return post_form(url, form); };
  const auto text = co_await ask_service(token_name, std::move(make), until);
  if (!text) co_return fail(text.error());
  co_return parse_token_answer(*text, token_name, system_clock().wall());
}

result<shown> with_key(std::string_view json, const std::string& where_from) {
  auto parsed = parse_key_file(json, where_from);
  if (!parsed) return fail(std::move(parsed.error()));
  const auto key = std::make_shared<const key_file>(std::move(*parsed));
  if (key->service_account()) { // a key that cannot sign is a mistake of the configuration, not of the first read
    const auto tried = sign_assertion(*key, system_clock().wall());
    if (!tried) return invalid(where_from, tried.error().context);
  }
  const std::string scope = "gcs:" + fingerprint("gcs:" + key->client);
  // The key's id: one that was rotated must not go on as the old one.
  const std::string service =
      fmt::format("{} ({})", token_name, fingerprint(key->token_url + key->private_key_id + key->refresh_token));
  return share(service, scope, [key](net::deadline until) { return fetch_with_key(key, until); });
}

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// ---- The metadata server ----------------------------------------------------------------------------------------

constexpr const char* metadata_name = "the metadata server";

net::task<result<issued<std::string>>> fetch_metadata(std::string host, net::deadline until) {
  make_request make = [host] {
    http::client_request request;
    request.url = fmt::format("http://{}/computeMetadata/v1/instance/service-accounts/default/token", host);
    request.direct = true;
    request.fields.add("Metadata-Flavor", "Google");
    return request;
  };
  const auto text = co_await ask_service(metadata_name, std::move(make), until);
  if (!text) co_return fail(text.error());
  co_return parse_token_answer(*text, metadata_name, system_clock().wall());
}

shown with_metadata() {
  const std::string host = environment("GCE_METADATA_HOST", "169.254.169.254");
  return share(fmt::format("{} {}", metadata_name, host), "gcs:metadata",
               [host](net::deadline until) { return fetch_metadata(host, until); });
}

result<shown> with_entry(const std::string& name, const source_settings& settings) {
  for (const credential_entry& each : settings.credentials) {
    if (each.name != name) continue;
    if (each.google_key.empty())
      return invalid("credentials " + name, "they have no google_key_file, which a gs origin needs");
    return with_key(each.google_key, "credentials " + name);
  }
  return invalid("credentials " + name, "no [[credentials]] entry has this name");
}

struct openssl_free {
  void operator()(BIO* one) const noexcept { BIO_free(one); }
  void operator()(EVP_PKEY* one) const noexcept { EVP_PKEY_free(one); }
  void operator()(EVP_MD_CTX* one) const noexcept { EVP_MD_CTX_free(one); }
};

std::optional<std::string> sign_rs256(const std::string& pem, const std::string& text) {
  const std::unique_ptr<BIO, openssl_free> source(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // No callback that asks a terminal for a pass phrase: an encrypted key is none.
  const auto no_phrase = [](char*, int, int, void*) { return -1; };
  const std::unique_ptr<EVP_PKEY, openssl_free> key(PEM_read_bio_PrivateKey(source.get(), nullptr, no_phrase, nullptr));
  const std::unique_ptr<EVP_MD_CTX, openssl_free> context(EVP_MD_CTX_new());
  if (!key || EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA) return std::nullopt;
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1) return std::nullopt;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t length = 0;
  if (EVP_DigestSign(context.get(), nullptr, &length, bytes, text.size()) != 1) return std::nullopt;
  std::string signature(length, '\0');
  auto* const into = reinterpret_cast<unsigned char*>(signature.data());
  if (EVP_DigestSign(context.get(), into, &length, bytes, text.size()) != 1) return std::nullopt;
  signature.resize(length);
  return signature;
}

} // namespace

result<key_file> parse_key_file(std::string_view text, const std::string& where_from) {
  const auto json = parse_json(text);
  if (!json.is_object()) return invalid(where_from, "it is no JSON of a service account or user");
  const auto member = [&json](const char* name) {
    const auto at = json.find(name);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  key_file key;
  key.token_url = member("token_uri");
  if (key.token_url.empty()) key.token_url = google_tokens;
  const std::string type = member("type");
  if (type == "service_account") {
    key.client = member("client_email");
    key.private_key = member("private_key");
    key.private_key_id = member("private_key_id");
    if (key.client.empty() || key.private_key.empty())
      return invalid(where_from, "a service account's key has client_email and private_key");
  } else if (type == "authorized_user") {
    key.client = member("client_id");
    key.client_secret = member("client_secret");
    key.refresh_token = member("refresh_token");
    if (key.client.empty() || key.refresh_token.empty())
      return invalid(where_from, "a user's key has client_id and refresh_token");
  } else {
    return invalid(where_from, fmt::format("found the type \"{}\", expected service_account or authorized_user",
                                           type.substr(0, 40)));
  }
  const auto url = http::parse_url(key.token_url);
  if (!url || (url->scheme != "https" && url->scheme != "http") || url->credentials)
    return invalid(where_from, "its token_uri is no URL");
  return key;
}

result<std::string> sign_assertion(const key_file& key, wall_time now) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  const nlohmann::json header = {{"alg", "RS256"}, {"typ", "JWT"}, {"kid", key.private_key_id}};
  const nlohmann::json claims = {{"iss", key.client},
                                 {"scope", storage_scope},
                                 {"aud", key.token_url},
                                 {"iat", seconds},
                                 {"exp", seconds + assertion_life.count()}};
  const std::string to_sign = base64url_encode(header.dump()) + "." + base64url_encode(claims.dump());
  const auto signature = sign_rs256(key.private_key, to_sign);
  if (!signature) return invalid(token_name, "the private_key is no RSA key in PEM");
  return to_sign + "." + base64url_encode(*signature);
}

result<shown> find_shown(const location& where, const source_settings& settings) {
  if (settings.carries_tokens) return shown{nullptr, std::string(readers_scope)};
  if (where.anonymous) return shown{nullptr, "anonymous"};
  if (!where.credentials.empty()) return with_entry(where.credentials, settings);
  if (where.metadata) return with_metadata();
  const std::string named = environment("GOOGLE_APPLICATION_CREDENTIALS");
  if (!named.empty()) {
    const auto text = read_file(named);
    if (!text) return invalid("GOOGLE_APPLICATION_CREDENTIALS", fmt::format("{} cannot be read", named));
    return with_key(*text, named);
  }
  const std::string own = environment("HOME") + "/.config/gcloud/application_default_credentials.json";
  if (const auto text = read_file(own)) return with_key(*text, own);
  return shown{nullptr, "anonymous"};
}

} // namespace forebay::origin::gcs
