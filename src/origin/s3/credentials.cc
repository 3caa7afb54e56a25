#include "origin/s3/credentials.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "base/text.h"
#include "origin/token_service.h"

namespace forebay::origin::s3 {
namespace {

std::string shared_file(const char* variable, const char* below_home) {
  const std::string named = environment(variable);
  if (!named.empty()) return named;
  const std::string home = environment("HOME");
  return home.empty() ? std::string() : home + below_home;
}

std::optional<std::string> read_file(const std::string& path) {
  if (path.empty()) return std::nullopt;
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<found_keys> from_profile(const std::string& profile) {
  std::optional<found_keys> found;
  if (const auto text = read_file(shared_file("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"))) {
    found = parse_profile(*text, profile, false);
  }
  if (const auto text = read_file(shared_file("AWS_CONFIG_FILE", "/.aws/config"))) {
    const auto more = parse_profile(*text, profile, true);
    if (more && !found) return more;
    if (more && !found->keys) found->keys = more->keys;
    if (more && found->region.empty()) found->region = more->region;
  }
  return found;
}

result<found_keys> from_entry(const std::string& name, const source_settings& settings) {
  for (const credential_entry& each : settings.credentials) {
    if (each.name != name) continue;
    if (each.access_key_id.empty() || each.secret_access_key.empty()) {
      return fail(error_kind::invalid_input, "credentials " + name,
                  "they have no access_key_id and secret_access_key, which an s3 origin needs");
    }
    return found_keys{access_keys{each.access_key_id, each.secret_access_key, each.session_token}, "", nullptr};
  }
  return fail(error_kind::invalid_input, "credentials " + name, "no [[credentials]] entry has this name");
}

std::string environment_region() {
  const std::string region = environment("AWS_REGION");
  return region.empty() ? environment("AWS_DEFAULT_REGION") : region;
}

result<found_keys> with_service(found_keys found, key_service kind, const std::string& region) {
  auto issued = find_key_service(kind, region);
  if (!issued) return fail(std::move(issued.error()));
  found.issued = std::move(*issued);
  return found;
}

} // namespace

std::optional<found_keys> parse_profile(std::string_view text, std::string_view profile, bool config_file) {
  const bool prefixed = config_file && profile != "default";
  const std::string wanted = prefixed ? fmt::format("profile {}", profile) : std::string(profile);
  bool inside = false;
  std::optional<found_keys> found;
  access_keys keys;
  for (const std::string_view raw : split(text, '\n')) {
    const std::string_view line = trim(raw.substr(0, raw.find('\r')));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      inside = line.back() == ']' && trim(line.substr(1, line.size() - 2)) == wanted;
      if (inside && !found) found.emplace();
      continue;
    }
    const bool nested = raw.front() == ' ' || raw.front() == '\t'; // settings of a sub-section
    const std::size_t equals = line.find('=');
    if (!inside || nested || equals == std::string_view::npos) continue;
    const std::string name = to_lower(trim(line.substr(0, equals)));
    const std::string value(trim(line.substr(equals + 1)));
    if (name == "aws_access_key_id") keys.access_key_id = value;
    if (name == "aws_secret_access_key") keys.secret_access_key = value;
    if (name == "aws_session_token") keys.session_token = value;
    if (name == "region") found->region = value;
  }
  if (found && !keys.access_key_id.empty() && !keys.secret_access_key.empty()) found->keys = keys;
  return found;
}

result<found_keys> find_keys(const key_choice& choice, const source_settings& settings, const std::string& region) {
  if (choice.anonymous) return found_keys{};
  if (!choice.credentials.empty()) return from_entry(choice.credentials, settings);
  if (!choice.profile.empty()) {
    const auto found = from_profile(choice.profile);
    if (!found || !found->keys) {
      return fail(error_kind::invalid_input, "profile " + choice.profile,
                  "the shared credentials file has no keys under this name");
    }
    return *found;
  }
  found_keys found;
  found.region = environment_region();
  const std::string service_region = region.empty() ? found.region : region;
  if (choice.service != key_service::none) return with_service(std::move(found), choice.service, service_region);
  const std::string id = environment("AWS_ACCESS_KEY_ID");
  const std::string secret = environment("AWS_SECRET_ACCESS_KEY");
  if (!id.empty() && !secret.empty()) {
    found.keys = access_keys{id, secret, environment("AWS_SESSION_TOKEN")};
    return found;
  }
  if (environment_names(key_service::web_identity))
    return with_service(std::move(found), key_service::web_identity, service_region);
  if (const auto file = from_profile(environment("AWS_PROFILE", "default"))) {
    found.keys = file->keys;
    if (found.region.empty()) found.region = file->region;
  }
  if (!found.keys && environment_names(key_service::container))
    return with_service(std::move(found), key_service::container, service_region);
  return found;
}

} // namespace forebay::origin::s3
