// Uploads whose payload is signed or framed: aws-chunked bodies, and hashes of a whole payload.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "front/s3/s3_error.h"
#include "front/s3/signature.h"
#include "http/headers.h"
#include "http/message.h"
#include "origin/checksum.h"

namespace forebay::front::s3 {

/// How the body of an upload is framed, as x-amz-content-sha256 says.
struct payload_form {
  enum class kind { plain, hashed, chunked } what = kind::plain;
  std::string sha256;                          ///< hashed
  std::optional<chunk_signing> signing;        ///< chunked, each chunk signed
  bool trailer = false;                        ///< chunked, fields follow the last chunk
  std::optional<origin::digest_kind> checksum; ///< that the client computed
  std::string checksum_field;                  ///< x-amz-checksum-...: in the head or in the trailer
  std::string checksum_value;                  ///< base64; empty: it comes in the trailer
};

inline constexpr std::size_t chunk_line_bytes_max = 512;
inline constexpr std::size_t trailer_bytes_max = 16 * 1024;

/// Decodes an aws-chunked body as it comes. Not thread-safe, no I/O. After a failure it must not be fed again.
class aws_chunk_decoder {
public:
  /// `length_bytes`: of what is within the chunks (x-amz-decoded-content-length); more is a failure.
  aws_chunk_decoder(payload_form form, std::uint64_t length_bytes);
  ~aws_chunk_decoder();
  aws_chunk_decoder(const aws_chunk_decoder&) = delete;
  aws_chunk_decoder& operator=(const aws_chunk_decoder&) = delete;

  /// Appends the payload of `in` to `out`. A chunk's bytes come before its signature can be judged: who hands them on
  /// must hold something back until `finished`.
  std::optional<s3_failure> feed(std::string_view in, std::string& out);
  bool finished() const noexcept { return at_ == step::end; }
  std::uint64_t decoded_bytes() const noexcept { return decoded_bytes_; }
  const http::header_table& trailers() const noexcept { return trailers_; }

private:
  enum class step { size_line, data, data_end, trailer_line, last_line, end };
  std::optional<s3_failure> take_size_line(std::string_view line);
  std::optional<s3_failure> take_trailer(std::string_view line);
  std::optional<s3_failure> end_of_data();
  std::optional<s3_failure> judge(std::string_view kind, std::string_view hashes, const std::string& signature);

  payload_form form_;
  std::uint64_t length_bytes_, decoded_bytes_ = 0, left_ = 0;
  step at_ = step::size_line;
  std::string line_;            ///< what of it has come
  std::string chunk_signature_; ///< that the size line told
  std::string trailer_text_;    ///< canonical, for its signature
  std::string trailer_signature_;
  std::size_t trailer_bytes_ = 0;
  http::header_table trailers_;
  struct digest;
  std::unique_ptr<digest> of_chunk_;
};

/// What became of an upload's payload; the body that is handed to the origin fails with it.
struct payload_state {
  std::optional<s3_failure> failure; ///< the client's fault
};

/// The payload of an upload, checked on its way: its last bytes are held back until all of it was found right, so a
/// store that was promised the whole length never takes a wrong body for a complete one. `state` outlives it.
std::unique_ptr<http::body_source> make_payload(std::unique_ptr<http::body_source> from, payload_form form,
                                                std::uint64_t length_bytes, std::shared_ptr<payload_state> state);

} // namespace forebay::front::s3
