// Keys that a service of the cloud issues and renews: to an instance, a container, or for a web identity.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "origin/renewed.h"
#include "origin/s3/sigv4.h"

namespace forebay::origin::s3 {

enum class key_service { none, instance, container, web_identity };

/// Keys of one identity, shared by all sources that use it.
struct issued_keys {
  renewed<access_keys> keys;
  std::string scope; ///< part of objects' identities: names the identity, not the keys (which change)
};

/// True when the environment names the service (never for `instance`: it has to be asked for).
bool environment_names(key_service kind);

/// The keys of that service, by the variables that Amazon's own clients read:
/// - instance: the metadata service (IMDSv2) at AWS_EC2_METADATA_SERVICE_ENDPOINT;
/// - container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN[_FILE];
/// - web identity: AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME, AWS_ENDPOINT_URL_STS.
/// invalid_input says which is missing or off. Nothing is asked before the first read.
result<std::shared_ptr<const issued_keys>> find_key_service(key_service kind, const std::string& region);

/// Answers of the services, for tests: JSON of the metadata services, XML of STS.
result<issued<access_keys>> parse_metadata_keys(std::string_view text, const std::string& name);
result<issued<access_keys>> parse_sts_keys(std::string_view text, const std::string& name);

} // namespace forebay::origin::s3
