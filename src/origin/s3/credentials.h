// Where S3 keys come from: the configuration, the environment, the shared credentials file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "origin/factory.h"
#include "origin/s3/sigv4.h"

namespace forebay::origin::s3 {

/// Which keys a source asked for.
struct key_choice {
  bool anonymous = false;
  std::string credentials; ///< name of a `[[credentials]]` entry
  std::string profile;     ///< of the shared credentials file
};

/// Keys and the region that came with them (profile or environment); no keys: anonymous.
struct found_keys {
  std::optional<access_keys> keys;
  std::string region;
};

/// The keys for `choice`: a named entry, else the profile, else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with
/// AWS_SESSION_TOKEN), else the profile AWS_PROFILE or "default" where the file has it, else none. invalid_input
/// when something that was named does not exist. Reads files: start-up and reload only.
result<found_keys> find_keys(const key_choice& choice, const source_settings& settings);

/// One profile of an INI file of keys; nothing when there is no such profile. `section_prefix` is "profile " for
/// ~/.aws/config. For tests.
std::optional<found_keys> parse_profile(std::string_view text, std::string_view profile, bool config_file);

} // namespace forebay::origin::s3
