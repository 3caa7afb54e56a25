#include "origin/s3/key_services.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <pugixml.hpp>

#include "base/text.h"
#include "http/url.h"
#include "origin/iso_time.h"
#include "origin/json_text.h"
#include "origin/token_service.h"

namespace forebay::origin::s3 {
namespace {

using found = result<std::shared_ptr<const issued_keys>>;
using fetched_keys = result<issued<access_keys>>;

constexpr std::string_view instance_endpoint = "http://169.254.169.254";
constexpr std::string_view container_endpoint = "http://169.254.170.2";
/// Longest life of a session with the metadata service that it grants.
constexpr std::string_view instance_session_seconds = "21600";

tl::unexpected<error> invalid(std::string_view variable, std::string context) {
  return fail(error_kind::invalid_input, std::string(variable), std::move(context));
}

bool is_web_url(const std::string& text) {
  const auto parts = http::parse_url(text);
  return parts && (parts->scheme == "http" || parts->scheme == "https") && !parts->host.empty() && !parts->credentials;
}

std::string without_slash(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

found share(const std::string& name, const std::string& scope, renewed<access_keys>::fetch fetch) {
  const std::string key = fmt::format("s3 keys {} {}", scope, name);
  return find_shared<issued_keys>(key, [&] {
    return std::make_shared<issued_keys>(issued_keys{renewed<access_keys>(name, std::move(fetch)), scope});
  });
}

// ---- An EC2 instance's role (IMDSv2) ----------------------------------------------------------------------------

constexpr const char* instance_name = "the instance metadata service";

net::task<result<std::string>> ask_instance(std::string url, std::string session, net::deadline until) {
  make_request make = [url, session] {
    http::client_request request;
    request.url = url;
    request.direct = true;
    request.fields.add("X-aws-ec2-metadata-token", session);
    return request;
  };
  auto text = co_await ask_service(instance_name, std::move(make), until);
  co_return text;
}

net::task<fetched_keys> fetch_instance(std::string endpoint, net::deadline until) {
  make_request begin = [endpoint] {
    http::client_request request;
    request.method = "PUT";
    request.url = endpoint + "/latest/api/token";
    request.direct = true;
    request.fields.add("X-aws-ec2-metadata-token-ttl-seconds", instance_session_seconds);
    return request;
  };
  const auto session = co_await ask_service(instance_name, std::move(begin), until);
  if (!session) co_return fail(session.error());
  const std::string roles = endpoint + "/latest/meta-data/iam/security-credentials/";
  const auto names = co_await ask_instance(roles, *session, until);
  if (!names) co_return fail(names.error());
  const std::string role(trim(split(*names, '\n').front()));
  if (role.empty()) co_return fail(error_kind::unauthorised, instance_name, "this instance has no role");
  std::string url = roles + percent_encode(role);
  const auto text = co_await ask_instance(std::move(url), *session, until);
  if (!text) co_return fail(text.error());
  co_return parse_metadata_keys(*text, instance_name);
}

found find_instance() {
  constexpr const char* variable = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
  const std::string endpoint = without_slash(environment(variable, instance_endpoint));
  if (!is_web_url(endpoint)) return invalid(variable, "expected a URL such as http://169.254.169.254");
  return share(fmt::format("{} {}", instance_name, endpoint), "s3:instance",
               [endpoint](net::deadline until) { return fetch_instance(endpoint, until); });
}

// ---- A container's role (ECS, EKS Pod Identity) -----------------------------------------------------------------

constexpr const char* container_name = "the container credentials service";

/// A token that goes out in the clear must stay on this machine or on the link that the cloud keeps for it.
bool may_be_plain(const std::string& host) {
  constexpr std::array<std::string_view, 6> known = {"localhost",     "127.0.0.1",      "::1",
                                                     "169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
  return std::find(known.begin(), known.end(), host) != known.end();
}

net::task<fetched_keys> fetch_container(std::string url, std::string token, std::string token_file,
                                        net::deadline until) {
  if (!token_file.empty()) {
    auto text = co_await read_token_file(container_name, token_file, until);
    if (!text) co_return fail(std::move(text.error()));
    token = std::move(*text);
  }
  make_request make = [url, token] {
    http::client_request request;
    request.url = url;
    request.direct = true;
    if (!token.empty()) request.fields.add("Authorization", token);
    return request;
  };
  const auto text = co_await ask_service(container_name, std::move(make), until);
  if (!text) co_return fail(text.error());
  co_return parse_metadata_keys(*text, container_name);
}

found find_container() {
  const std::string relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  std::string url = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  if (!relative.empty()) url = std::string(container_endpoint) + relative;
  if (url.empty()) {
    return invalid("auth=container", "the environment has no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and no _FULL_URI");
  }
  const auto parts = http::parse_url(url);
  if (!is_web_url(url) || (parts->scheme == "http" && !may_be_plain(parts->host))) {
    return invalid("AWS_CONTAINER_CREDENTIALS_FULL_URI", "expected https://..., or http:// on this machine");
  }
  const std::string token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  const std::string token_file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (token.find_first_of("\r\n") != std::string::npos)
    return invalid("AWS_CONTAINER_AUTHORIZATION_TOKEN", "it holds a line break");
  // The path of a relative URI names the task's credentials; it is no name to be shown.
  return share(fmt::format("{} {}", container_name, fingerprint(url)), "s3:container:" + fingerprint(url),
               [=](net::deadline until) { return fetch_container(url, token, token_file, until); });
}

// ---- A web identity's role (EKS service accounts, OIDC of CI systems) -------------------------------------------

constexpr const char* sts_name = "the security token service";

net::task<fetched_keys> fetch_web_identity(std::string endpoint, std::string role, std::string session,
                                           std::string token_file, net::deadline until) {
  const auto token = co_await read_token_file(sts_name, token_file, until);
  if (!token) co_return fail(token.error());
  const std::string form = form_of({{"Action", "AssumeRoleWithWebIdentity"},
                                    {"Version", "2011-06-15"},
                                    {"RoleArn", role},
                                    {"RoleSessionName", session},
                                    {"WebIdentityToken", *token}});
  make_request make = [endpoint, form] { return post_form(endpoint, form); };
  const auto text = co_await ask_service(sts_name, std::move(make), until);
  if (!text) co_return fail(text.error());
  co_return parse_sts_keys(*text, sts_name);
}

std::string sts_endpoint(const std::string& region) {
  const std::string named = environment("AWS_ENDPOINT_URL_STS");
  if (!named.empty()) return without_slash(named) + "/";
  if (region.empty()) return "https://sts.amazonaws.com/";
  return fmt::format("https://sts.{}.amazonaws.com{}/", region, region.starts_with("cn-") ? ".cn" : "");
}

found find_web_identity(const std::string& region) {
  const std::string role = environment("AWS_ROLE_ARN");
  const std::string file = environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (role.empty() || file.empty())
    return invalid("auth=web-identity", "the environment has no AWS_ROLE_ARN or no AWS_WEB_IDENTITY_TOKEN_FILE");
  const std::string endpoint = sts_endpoint(region);
  if (!is_web_url(endpoint)) return invalid("AWS_ENDPOINT_URL_STS", "expected a URL such as https://sts.example.org");
  const std::string session = environment("AWS_ROLE_SESSION_NAME", "forebay");
  return share(fmt::format("{} {}", sts_name, endpoint), "s3:role:" + fingerprint(role),
               [=](net::deadline until) { return fetch_web_identity(endpoint, role, session, file, until); });
}

fetched_keys complete(access_keys keys, const std::string& end, const std::string& name) {
  if (keys.access_key_id.empty() || keys.secret_access_key.empty())
    return fail(error_kind::broken, name, "its answer holds no keys");
  return issued<access_keys>{std::move(keys), parse_iso_time(end)};
}

} // namespace

fetched_keys parse_metadata_keys(std::string_view text, const std::string& name) {
  const auto json = parse_json(text);
  if (!json.is_object()) return fail(error_kind::broken, name, "its answer is no JSON object");
  const auto member = [&json](const char* key) {
    const auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  const std::string code = member("Code");
  if (!code.empty() && code != "Success") {
    return fail(error_kind::unauthorised, name, fmt::format("it answered \"{}\"", to_valid_utf8(code.substr(0, 100))));
  }
  return complete({member("AccessKeyId"), member("SecretAccessKey"), member("Token")}, member("Expiration"), name);
}

fetched_keys parse_sts_keys(std::string_view text, const std::string& name) {
  pugi::xml_document document;
  if (!document.load_buffer(text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8))
    return fail(error_kind::broken, name, "its answer is no XML");
  const pugi::xml_node keys = document.document_element().child("AssumeRoleWithWebIdentityResult").child("Credentials");
  return complete(
      {keys.child_value("AccessKeyId"), keys.child_value("SecretAccessKey"), keys.child_value("SessionToken")},
      keys.child_value("Expiration"), name);
}

bool environment_names(key_service kind) {
  if (kind == key_service::web_identity)
    return !environment("AWS_WEB_IDENTITY_TOKEN_FILE").empty() && !environment("AWS_ROLE_ARN").empty();
  if (kind == key_service::container) {
    return !environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
           !environment("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty();
  }
  return false;
}

found find_key_service(key_service kind, const std::string& region) {
  switch (kind) {
  case key_service::instance: return find_instance();
  case key_service::container: return find_container();
  case key_service::web_identity: return find_web_identity(region);
  case key_service::none: break;
  }
  return fail(error_kind::internal, "s3", "no key service was named");
}

} // namespace forebay::origin::s3
