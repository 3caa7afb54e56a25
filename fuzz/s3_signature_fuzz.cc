// Authorization fields and presigned queries: whatever is claimed, nothing is true that was not signed.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "front/s3/s3_request.h"
#include "front/s3/signature.h"

using namespace forebay;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  http::request_head head;
  head.method = "GET";
  head.target = "/" + text.substr(0, line);
  head.fields.add("Host", "bucket.s3.example.org");
  if (line != std::string::npos) {
    head.fields.add("Authorization", text.substr(line + 1));
    head.fields.add("x-amz-date", "20130524T000000Z");
    head.fields.add("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
  }
  static_cast<void>(front::s3::read_request(head, {"s3.example.org"}));
  const auto claim = front::s3::read_authorization(head);
  if (!claim || !*claim) return 0;
  if ((*claim)->signature.size() != 64 || (*claim)->access_key_id.empty()) std::abort();
  if ((*claim)->expires && (*claim)->expires->count() > 7 * 86'400) std::abort();
  const wall_time now = wall_time(std::chrono::seconds(1'369'353'600));
  // No input knows this secret.
  if (!front::s3::verify(**claim, "3e1f0c9d5b7a48e2b6d1", head, now)) std::abort();
  return 0;
}
