#include "origin/store_codes.h"

#include <algorithm>
#include <array>

namespace forebay::origin {
namespace {

constexpr std::string_view archived = "the object is archived: restore it at the store, then read it again";
constexpr std::string_view expired = "the node's credentials have expired";
constexpr std::string_view wrong_keys = "the store does not know the node's keys, or they do not match";
constexpr std::string_view moved = "the bucket is in another region or at another endpoint: name that in the origin";
constexpr std::string_view clock_off = "the clock of the node is wrong";
constexpr std::string_view key_gone = "the key that the object is encrypted with cannot be used";
constexpr std::string_view payer = "the bucket wants the reader to pay: set requester_pays or user_project";

constexpr std::array<code_meaning, 29> meanings = {{
    // Amazon S3 and its kin
    {"InvalidObjectState", error_kind::forbidden, false, archived},
    {"ExpiredToken", error_kind::unauthorised, false, expired},
    {"ExpiredTokenException", error_kind::unauthorised, false, expired},
    {"TokenRefreshRequired", error_kind::unauthorised, false, expired},
    {"InvalidToken", error_kind::unauthorised, false, wrong_keys},
    {"InvalidAccessKeyId", error_kind::forbidden, false, wrong_keys},
    {"SignatureDoesNotMatch", error_kind::forbidden, false, wrong_keys},
    {"RequestTimeTooSkewed", error_kind::forbidden, false, clock_off},
    {"RequestExpired", error_kind::forbidden, false, clock_off},
    {"PermanentRedirect", error_kind::broken, false, moved},
    {"TemporaryRedirect", error_kind::broken, false, moved},
    {"AuthorizationHeaderMalformed", error_kind::broken, false, moved},
    {"IllegalLocationConstraintException", error_kind::broken, false, moved},
    {"AllAccessDisabled", error_kind::forbidden, false, "the store has locked the bucket"},
    {"AccountProblem", error_kind::forbidden, false, "the store has locked the account"},
    {"NoSuchBucket", std::nullopt, false, "there is no such bucket"},
    {"NoSuchVersion", std::nullopt, false, "there is no such version"},
    {"RequestTimeout", error_kind::timeout, true, ""},
    {"KMS.DisabledException", error_kind::forbidden, false, key_gone},
    {"KMS.NotFoundException", error_kind::forbidden, false, key_gone},
    // Google Cloud Storage
    {"UserProjectMissing", error_kind::forbidden, false, payer},
    {"UserProjectAccountProblem", error_kind::forbidden, false, payer},
    {"rateLimitExceeded", error_kind::throttled, true, ""},
    {"userRateLimitExceeded", error_kind::throttled, true, ""},
    // Azure Blob
    {"BlobArchived", error_kind::forbidden, false, archived},
    {"BlobBeingRehydrated", error_kind::forbidden, false, "the object is being restored from the archive: wait for it"},
    {"ContainerNotFound", std::nullopt, false, "there is no such container"},
    {"PublicAccessNotPermitted", error_kind::forbidden, false, "the account takes no anonymous readers"},
    {"OperationTimedOut", error_kind::timeout, true, ""},
}};

} // namespace

const code_meaning* find_code_meaning(std::string_view code) noexcept {
  const auto at = std::find_if(meanings.begin(), meanings.end(), [code](const auto& one) { return one.code == code; });
  return at == meanings.end() ? nullptr : &*at;
}

} // namespace forebay::origin
