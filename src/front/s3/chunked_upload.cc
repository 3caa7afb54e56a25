#include "front/s3/chunked_upload.h"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/base64.h"
#include "base/hash.h"
#include "base/text.h"
#include "origin/s3/sigv4.h"

namespace forebay::front::s3 {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;

/// SHA-256 of bytes as they come.
class running_sha256 {
public:
  running_sha256() : context_(EVP_MD_CTX_new()) { begin(); }
  ~running_sha256() { EVP_MD_CTX_free(context_); }
  running_sha256(const running_sha256&) = delete;
  running_sha256& operator=(const running_sha256&) = delete;
  void update(std::string_view bytes) { good_ = EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1 && good_; }
  /// Hexadecimal; empty where the library failed, which equals no hash. Begins anew.
  std::string finish() {
    std::array<std::uint8_t, 32> digest{};
    good_ = EVP_DigestFinal_ex(context_, digest.data(), nullptr) == 1 && good_;
    const std::string text = good_ ? hex(digest) : std::string();
    begin();
    return text;
  }

private:
  void begin() { good_ = context_ != nullptr && EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) == 1; }
  EVP_MD_CTX* context_;
  bool good_ = false;
};

s3_failure malformed(std::string message) { return {400, "InvalidRequest", "aws-chunked body: " + std::move(message)}; }
s3_failure wrong_signature() {
  return {403, "SignatureDoesNotMatch", "The signature of a chunk does not match its bytes."};
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  if (text.empty() || text.size() > 15) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const std::size_t digit =
        std::string_view("0123456789abcdef").find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
    if (digit == std::string_view::npos) return std::nullopt;
    value = value * 16 + digit;
  }
  return value;
}

} // namespace

struct aws_chunk_decoder::digest {
  running_sha256 of;
};

aws_chunk_decoder::aws_chunk_decoder(payload_form form, std::uint64_t length_bytes)
    : form_(std::move(form)), length_bytes_(length_bytes), of_chunk_(std::make_unique<digest>()) {}
aws_chunk_decoder::~aws_chunk_decoder() = default;

std::optional<s3_failure> aws_chunk_decoder::judge(std::string_view kind, std::string_view hashes,
                                                   const std::string& signature) {
  chunk_signing& with = *form_.signing;
  const std::string text =
      fmt::format("AWS4-HMAC-SHA256-{}\n{}\n{}\n{}\n{}", kind, with.timestamp, with.scope, with.previous, hashes);
  if (!equal_in_constant_time(hex(hmac_sha256(with.key, text)), signature)) return wrong_signature();
  with.previous = signature;
  return std::nullopt;
}

std::optional<s3_failure> aws_chunk_decoder::take_size_line(std::string_view line) {
  const std::size_t semicolon = line.find(';');
  const auto size = parse_size(line.substr(0, semicolon));
  if (!size) return malformed("a chunk begins with its size in hexadecimal");
  constexpr std::string_view extension = "chunk-signature=";
  chunk_signature_.clear();
  if (semicolon != std::string_view::npos) {
    const std::string_view rest = line.substr(semicolon + 1);
    if (rest.starts_with(extension)) chunk_signature_ = rest.substr(extension.size());
  }
  if (form_.signing && chunk_signature_.empty()) return malformed("a chunk without its signature");
  if (*size > length_bytes_ - decoded_bytes_) return malformed("more than x-amz-decoded-content-length says");
  left_ = *size;
  if (left_ != 0) {
    at_ = step::data;
    return std::nullopt;
  }
  if (decoded_bytes_ != length_bytes_) {
    return s3_failure{400, "IncompleteBody", "The body has fewer bytes than x-amz-decoded-content-length says."};
  }
  if (auto failure = end_of_data()) return failure;
  at_ = form_.trailer ? step::trailer_line : step::last_line;
  return std::nullopt;
}

std::optional<s3_failure> aws_chunk_decoder::end_of_data() {
  const std::string hash = of_chunk_->of.finish();
  if (!form_.signing) return std::nullopt;
  return judge("PAYLOAD", fmt::format("{}\n{}", origin::s3::empty_payload_sha256, hash), chunk_signature_);
}

std::optional<s3_failure> aws_chunk_decoder::take_trailer(std::string_view line) {
  trailer_bytes_ += line.size();
  if (trailer_bytes_ > trailer_bytes_max) return malformed("its trailer is too long");
  if (line.empty()) {
    at_ = step::end;
    if (!form_.signing) return std::nullopt;
    return judge("TRAILER", hex(sha256(trailer_text_)), trailer_signature_);
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return malformed("a trailer without a name");
  const std::string name = to_lower(trim(line.substr(0, colon)));
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == "x-amz-trailer-signature") {
    trailer_signature_ = value;
  } else {
    trailer_text_ += fmt::format("{}:{}\n", name, value);
    trailers_.add(name, value);
  }
  return std::nullopt;
}

std::optional<s3_failure> aws_chunk_decoder::feed(std::string_view in, std::string& out) {
  while (!in.empty()) {
    if (at_ == step::end) return malformed("bytes behind its end");
    if (at_ == step::data) {
      const std::string_view part = in.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size())));
      if (form_.signing) of_chunk_->of.update(part);
      out += part;
      decoded_bytes_ += part.size();
      left_ -= part.size();
      in.remove_prefix(part.size());
      if (left_ == 0) {
        if (auto failure = end_of_data()) return failure;
        at_ = step::data_end;
      }
      continue;
    }
    const std::size_t newline = in.find('\n');
    line_ += in.substr(0, newline);
    if (line_.size() > (at_ == step::trailer_line ? trailer_bytes_max : chunk_line_bytes_max))
      return malformed("a line is too long");
    if (newline == std::string_view::npos) return std::nullopt;
    in.remove_prefix(newline + 1);
    std::string line;
    line.swap(line_);
    if (line.ends_with('\r')) line.pop_back();
    std::optional<s3_failure> failure;
    switch (at_) {
    case step::size_line: failure = take_size_line(line); break;
    case step::trailer_line: failure = take_trailer(line); break;
    case step::data_end:
      if (!line.empty()) return malformed("a chunk is longer than its size");
      at_ = step::size_line;
      break;
    default:
      if (!line.empty()) return malformed("bytes behind the last chunk");
      at_ = step::end;
    }
    if (failure) return failure;
  }
  return std::nullopt;
}

namespace {

class payload_body final : public http::body_source {
public:
  payload_body(std::unique_ptr<http::body_source> from, payload_form form, std::uint64_t length_bytes,
               std::shared_ptr<payload_state> state)
      : from_(std::move(from)), length_bytes_(length_bytes), state_(std::move(state)) {
    expected_ = form.sha256;
    if (form.checksum) checksum_ = origin::digester::make(*form.checksum);
    checksum_field_ = form.checksum_field;
    checksum_value_ = form.checksum_value;
    if (form.what == payload_form::kind::chunked) decoder_.emplace(std::move(form), length_bytes);
  }

  net::task<result<net::slice>> next(std::size_t max_bytes) override {
    while (!ended_ && ready_.size() <= 1) { // one byte is held back until the end was judged
      result<net::slice> piece = co_await from_->next(piece_bytes);
      if (!piece) co_return fail(piece.error());
      if (const auto failure = take(*piece)) {
        state_->failure = *failure;
        co_return fail(error_kind::invalid_input, "upload", failure->message);
      }
    }
    const std::size_t most = ended_ ? ready_.size() : ready_.size() - 1;
    std::string given = ready_.substr(0, std::min(most, max_bytes));
    ready_.erase(0, given.size());
    if (given.empty()) co_return net::slice{};
    co_return net::make_slice(std::move(given));
  }

private:
  std::optional<s3_failure> take(const net::slice& piece) {
    if (piece.empty()) return judge_end();
    const std::string_view bytes(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
    const std::size_t before = ready_.size();
    if (decoder_) {
      if (auto failure = decoder_->feed(bytes, ready_)) return failure;
    } else {
      if (!expected_.empty()) hash_.update(bytes);
      passed_ += bytes.size();
      ready_ += bytes;
    }
    if (checksum_ != nullptr) checksum_->update(std::as_bytes(std::span(ready_).subspan(before)));
    return std::nullopt;
  }
  std::optional<s3_failure> judge_end() {
    ended_ = true;
    const bool whole = decoder_ ? decoder_->finished() : passed_ == length_bytes_;
    if (!whole) return s3_failure{400, "IncompleteBody", "The body ended before its end."};
    if (!decoder_ && !expected_.empty() && !equal_in_constant_time(hash_.finish(), expected_)) {
      return s3_failure{400, "XAmzContentSHA256Mismatch",
                        "The provided 'x-amz-content-sha256' header does not match what was computed."};
    }
    if (checksum_ == nullptr) return std::nullopt;
    if (checksum_value_.empty() && decoder_) checksum_value_ = decoder_->trailers().get(checksum_field_).value_or("");
    if (checksum_->finish() == base64_decode(checksum_value_)) return std::nullopt;
    return s3_failure{400, "BadDigest", "The " + checksum_field_ + " you specified did not match what was received."};
  }

  std::unique_ptr<http::body_source> from_;
  std::unique_ptr<origin::digester> checksum_;
  std::string checksum_field_, checksum_value_;
  std::optional<aws_chunk_decoder> decoder_;
  std::string expected_;
  running_sha256 hash_;
  std::uint64_t length_bytes_, passed_ = 0;
  std::shared_ptr<payload_state> state_;
  std::string ready_;
  bool ended_ = false;
};

} // namespace

std::unique_ptr<http::body_source> make_payload(std::unique_ptr<http::body_source> from, payload_form form,
                                                std::uint64_t length_bytes, std::shared_ptr<payload_state> state) {
  return std::make_unique<payload_body>(std::move(from), std::move(form), length_bytes, std::move(state));
}

} // namespace forebay::front::s3
