#include "front/s3/write_parameters.h"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

#include "base/text.h"

namespace forebay::front::s3 {
namespace {

/// Signatures in the query, fields that SDKs hoist into it, and the name of the operation, which SDKs repeat there.
bool says_nothing_of_the_operation(std::string_view name) {
  const std::string lower = to_lower(name);
  return lower == "x-id" || (lower.starts_with("x-amz-") && !lower.starts_with("x-amz-copy-source"));
}

std::vector<std::string_view> known_parameters(std::string_view method, const s3_request& what) {
  if (what.key.empty()) return {"delete"};
  if (method == "PUT") return {"partNumber", "uploadId"};
  if (method == "DELETE") return {"uploadId", "versionId"};
  return {"uploadId", "uploads"};
}

} // namespace

std::optional<s3_failure> refuse_parameters(std::string_view method, const s3_request& what) {
  const auto known = known_parameters(method, what);
  for (const parameter& one : what.query) {
    const bool is_known = std::find(known.begin(), known.end(), one.name) != known.end();
    if (!is_known && !says_nothing_of_the_operation(one.name))
      return s3_failure{501, "NotImplemented", fmt::format("Writes know no parameter \"{}\" here.", one.name)};
  }
  const auto empty = [&what](std::string_view name) { return what.has(name) && what.find(name)->empty(); };
  const bool half = method == "PUT" && what.has("partNumber") != what.has("uploadId");
  if (half || empty("partNumber") || empty("uploadId") || empty("versionId"))
    return s3_failure{400, "InvalidArgument",
                      "A part of an upload is named by partNumber and uploadId, both not empty."};
  return std::nullopt;
}

} // namespace forebay::front::s3
