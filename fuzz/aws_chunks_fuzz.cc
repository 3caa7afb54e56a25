// aws-chunked bodies: cut anywhere they decode alike, and never to more than was promised.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "front/s3/chunked_upload.h"

using namespace forebay;

namespace {

struct outcome {
  std::string text, code;
  bool finished = false;
};

outcome decode(std::string_view body, std::uint64_t length, bool trailer, bool is_signed, std::size_t step) {
  front::s3::payload_form form;
  form.what = front::s3::payload_form::kind::chunked;
  form.trailer = trailer;
  if (is_signed) form.signing = front::s3::chunk_signing{{}, "20130524T000000Z", "scope", "seed"};
  front::s3::aws_chunk_decoder decoder(form, length);
  outcome seen;
  for (std::size_t at = 0; at < body.size() && seen.code.empty(); at += step) {
    if (const auto failure = decoder.feed(body.substr(at, step), seen.text)) seen.code = failure->code;
  }
  seen.finished = seen.code.empty() && decoder.finished();
  if (seen.text.size() > length) std::abort();
  if (seen.finished && seen.text.size() != length) std::abort();
  return seen;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool trailer = (data[1] & 1) != 0, is_signed = (data[1] & 2) != 0;
  const auto whole = decode(body, data[0], trailer, is_signed, std::max<std::size_t>(body.size(), 1));
  const auto bytewise = decode(body, data[0], trailer, is_signed, 1);
  if (whole.code != bytewise.code || whole.finished != bytewise.finished) std::abort();
  if (whole.code.empty() && whole.text != bytewise.text) std::abort();
  return 0;
}
