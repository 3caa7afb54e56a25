// Where S3 keys come from: the configuration, the environment, the shared credentials file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "origin/factory.h"
#include "origin/s3/key_services.h"
#include "origin/s3/sigv4.h"

namespace forebay::origin::s3 {

/// Which keys a source asked for.
struct key_choice {
  bool anonymous = false;
  std::string credentials; ///< name of a `[[credentials]]` entry
  std::string profile;     ///< of the shared credentials file
  key_service service = key_service::none;
};

/// Keys, fixed or issued by a service, and the region that came with them; neither: anonymous.
struct found_keys {
  std::optional<access_keys> keys;
  std::string region; ///< of the profile or environment
  std::shared_ptr<const issued_keys> issued{};
};

/// The keys for `choice`: a named entry, else the profile, else the service, else AWS_ACCESS_KEY_ID and
/// AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN), else a web identity that the environment names, else the profile
/// AWS_PROFILE or "default" where the file has it, else a container's keys where the environment names them, else none.
/// An instance's metadata are never asked unless chosen. invalid_input when something that was named does not exist.
/// Reads files: start-up and reload only. `region` is the origin's own, for the service.
result<found_keys> find_keys(const key_choice& choice, const source_settings& settings, const std::string& region = "");

/// One profile of an INI file of keys; nothing when there is no such profile. `section_prefix` is "profile " for
/// ~/.aws/config. For tests.
std::optional<found_keys> parse_profile(std::string_view text, std::string_view profile, bool config_file);

} // namespace forebay::origin::s3
