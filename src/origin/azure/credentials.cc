#include "origin/azure/credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/base64.h"
#include "base/hash.h"
#include "base/text.h"
#include "http/date.h"
#include "http/url.h"
#include "origin/token_service.h"

namespace forebay::origin::azure {
namespace {

constexpr std::string_view storage_resource = "https://storage.azure.com/";

tl::unexpected<error> invalid(const std::string& source, std::string context) {
  return fail(error_kind::invalid_input, source, std::move(context));
}

// ---- The account's key ------------------------------------------------------------------------------------------

class shared_key final : public authority {
public:
  shared_key(std::string account, std::string key) : account_(std::move(account)), key_(std::move(key)) {}
  net::task<result<ticket>> authorise(http::client_request* request, net::deadline) override {
    request->fields.set("x-ms-date", http::format_date(system_clock().wall()));
    const std::span secret(reinterpret_cast<const std::uint8_t*>(key_.data()), key_.size());
    const auto mac = hmac_sha256(secret, string_to_sign(*request, account_));
    const std::string signature = base64_encode({reinterpret_cast<const char*>(mac.data()), mac.size()});
    request->fields.set("Authorization", fmt::format("SharedKey {}:{}", account_, signature));
    co_return ticket();
  }

private:
  const std::string account_, key_;
};

/// "\n/account/path" and the query's parameters by name, their values sorted.
std::string canonical_resource(const std::string& url, const std::string& account) {
  const std::size_t host = url.find("://") + 3;
  const std::size_t path_at = std::min(url.find('/', host), url.size());
  const std::size_t mark = std::min(url.find('?', host), url.size());
  std::string out = fmt::format("/{}{}", account, url.substr(path_at, mark - path_at));
  std::map<std::string, std::vector<std::string>> parameters;
  const std::string_view query = mark == url.size() ? std::string_view{} : std::string_view(url).substr(mark + 1);
  for (const std::string_view each : split(query, '&')) {
    if (each.empty()) continue;
    const std::size_t equals = each.find('=');
    const std::string_view value = equals == std::string_view::npos ? std::string_view{} : each.substr(equals + 1);
    parameters[to_lower(percent_decode(each.substr(0, equals)).value_or(""))].push_back(
        percent_decode(value).value_or(""));
  }
  for (auto& [name, values] : parameters) {
    std::sort(values.begin(), values.end());
    out += fmt::format("\n{}:{}", name, fmt::join(values, ","));
  }
  return out;
}

// ---- A shared access signature ----------------------------------------------------------------------------------

/// It goes into the URL of a request, on its way out: names, logs and keys have seen the URL without it.
class access_signature final : public authority {
public:
  explicit access_signature(std::string token) : token_(std::move(token)) {}
  net::task<result<ticket>> authorise(http::client_request* request, net::deadline) override {
    request->url += request->url.find('?') == std::string::npos ? '?' : '&';
    request->url += token_;
    co_return ticket();
  }

private:
  const std::string token_;
};

result<shown> with_signature(std::string token, const std::string& source) {
  if (token.starts_with('?')) token.erase(0, 1);
  std::string id;
  bool signed_one = false;
  for (const std::string_view each : split(token, '&')) {
    if (each.starts_with("sig="))
      signed_one = true;
    else
      id += std::string(each) + "&"; // all but the signature is public: permissions, container, times
  }
  const bool odd = std::any_of(token.begin(), token.end(), [](unsigned char c) { return c <= 0x20 || c >= 0x7f; });
  if (!signed_one || odd || token.find('#') != std::string::npos)
    return invalid(source, "sas_token is no shared access signature: expected \"sv=...&sig=...\"");
  return shown{std::make_shared<access_signature>(std::move(token)), "azure:sas:" + fingerprint(id)};
}

result<shown> with_entry(const location& where, const source_settings& settings) {
  const std::string source = "credentials " + where.credentials;
  for (const credential_entry& each : settings.credentials) {
    if (each.name != where.credentials) continue;
    if (!each.sas_token.empty()) return with_signature(each.sas_token, source);
    if (each.account_key.empty())
      return invalid(source, "they have no account_key and no sas_token, which an az origin needs");
    auto key = base64_decode(each.account_key);
    if (!key || key->empty()) return invalid(source, "account_key is no base64");
    return shown{std::make_shared<shared_key>(where.account, std::move(*key)),
                 "azure:key:" + fingerprint(where.account)};
  }
  return invalid(source, "no [[credentials]] entry has this name");
}

// ---- Tokens of Entra ID -----------------------------------------------------------------------------------------

using token_fetch = renewed<std::string>::fetch;

shown share(const std::string& service, const std::string& scope, token_fetch fetch) {
  const std::string key = fmt::format("azure token {} {}", scope, service);
  return {find_shared<bearer_authority>(
              key, [&] { return std::make_shared<bearer_authority>(renewed<std::string>(service, std::move(fetch))); }),
          scope};
}

constexpr const char* managed_name = "the managed identity service";
constexpr const char* workload_name = "the token service of Entra ID";

net::task<result<issued<std::string>>> fetch_managed(std::string url, std::string header, std::string secret,
                                                     net::deadline until) {
  make_request make = [=] {
    http::client_request request;
    request.url = url;
    request.direct = true;
    request.fields.add(header, secret);
    return request;
  };
  const auto text = co_await ask_service(managed_name, std::move(make), until);
  if (!text) co_return fail(text.error());
  co_return parse_token_answer(*text, managed_name, system_clock().wall());
}

shown with_managed(const std::string& client_id) {
  std::string query = "&resource=" + percent_encode(storage_resource);
  if (!client_id.empty()) query += "&client_id=" + client_id;
  const std::string scope = "azure:managed:" + (client_id.empty() ? std::string("system") : client_id);
  const std::string endpoint = environment("IDENTITY_ENDPOINT"), secret = environment("IDENTITY_HEADER");
  if (!endpoint.empty() && !secret.empty()) {
    const std::string url = endpoint + "?api-version=2019-08-01" + query;
    return share(fmt::format("{} {}", managed_name, endpoint), scope,
                 [=](net::deadline until) { return fetch_managed(url, "X-IDENTITY-HEADER", secret, until); });
  }
  std::string host = environment("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254");
  while (host.ends_with('/')) host.pop_back();
  const std::string url = host + "/metadata/identity/oauth2/token?api-version=2018-02-01" + query;
  return share(fmt::format("{} {}", managed_name, host), scope,
               [=](net::deadline until) { return fetch_managed(url, "Metadata", "true", until); });
}

net::task<result<issued<std::string>>> fetch_workload(std::string url, std::string client, std::string file,
                                                      net::deadline until) {
  const auto assertion = co_await read_token_file(workload_name, file, until);
  if (!assertion) co_return fail(assertion.error());
  const std::string form = form_of({{"grant_type", "client_credentials"},
                                    {"client_id", client},
                                    {"scope", std::string(storage_resource) + ".default"},
                                    {"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
                                    {"client_assertion", *assertion}});
  make_request make = [url, form] { return post_form(url, form); };
  const auto text = co_await ask_service(workload_name, std::move(make), until);
  if (!text) co_return fail(text.error());
  co_return parse_token_answer(*text, workload_name, system_clock().wall());
}

result<shown> with_workload() {
  const std::string file = environment("AZURE_FEDERATED_TOKEN_FILE");
  const std::string tenant = environment("AZURE_TENANT_ID");
  const std::string client = environment("AZURE_CLIENT_ID");
  if (file.empty() || tenant.empty() || client.empty()) {
    return invalid("auth=workload-identity", "the environment has not all of AZURE_FEDERATED_TOKEN_FILE, "
                                             "AZURE_TENANT_ID and AZURE_CLIENT_ID");
  }
  std::string host = environment("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/");
  while (host.ends_with('/')) host.pop_back();
  const std::string url = fmt::format("{}/{}/oauth2/v2.0/token", host, percent_encode(tenant));
  if (!http::parse_url(url)) return invalid("AZURE_AUTHORITY_HOST", "expected a URL");
  return share(fmt::format("{} {}", workload_name, url), "azure:workload:" + fingerprint(tenant + " " + client),
               [=](net::deadline until) { return fetch_workload(url, client, file, until); });
}

bool environment_names_workload() {
  return !environment("AZURE_FEDERATED_TOKEN_FILE").empty() && !environment("AZURE_TENANT_ID").empty() &&
         !environment("AZURE_CLIENT_ID").empty();
}

} // namespace

std::string string_to_sign(const http::client_request& request, const std::string& account) {
  std::string out = request.method + "\n";
  const auto field = [&request](const char* name) { return std::string(request.fields.get(name).value_or("")); };
  for (const char* each : {"Content-Encoding", "Content-Language"}) out += field(each) + "\n";
  // An empty body has no length here, though the request says 0.
  const std::uint64_t length = request.upload_bytes.value_or(request.body.size());
  out += (length == 0 ? std::string() : std::to_string(length)) + "\n";
  for (const char* each : {"Content-MD5", "Content-Type"}) out += field(each) + "\n";
  out += "\n"; // Date: x-ms-date stands for it
  for (const char* each : {"If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"})
    out += field(each) + "\n";
  std::map<std::string, std::string> own;
  request.fields.each([&own](std::string_view name, std::string_view value) {
    const std::string lower = to_lower(name);
    if (lower.starts_with("x-ms-")) own[lower] = std::string(trim(value));
  });
  for (const auto& [name, value] : own) out += fmt::format("{}:{}\n", name, value);
  return out + canonical_resource(request.url, account);
}

result<shown> find_shown(const location& where, const source_settings& settings) {
  if (settings.carries_tokens) return shown{nullptr, std::string(readers_scope)};
  if (where.anonymous) return shown{nullptr, "anonymous"};
  if (!where.credentials.empty()) return with_entry(where, settings);
  if (where.service == identity_service::managed) return with_managed(where.client_id);
  if (where.service == identity_service::workload || environment_names_workload()) return with_workload();
  return shown{nullptr, "anonymous"};
}

} // namespace forebay::origin::azure
