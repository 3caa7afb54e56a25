// Heads of HTTP/2 messages: requests as the parser of HTTP/1.1 would have made them, answers as lists of fields.
#pragma once

#include <nghttp2/nghttp2.h>
#include <string>
#include <string_view>
#include <vector>

#include "http/answer_head.h"
#include "http/message.h"
#include "http/server.h"

namespace forebay::http {

/// The head of one request while its fields come. nghttp2 has checked the rules of RFC 9113 §8.2 and §8.3.
class http2_head {
public:
  void clear() noexcept; ///< keeps the capacity: a connection reuses it
  /// Adds a field. What goes beyond the limits is counted and thrown away.
  void add(std::string_view name, std::string_view value, const server_limits& limits);
  /// What the fields come to, each with 32 bytes on top (RFC 9113 §6.5.2).
  std::size_t list_bytes() const noexcept { return list_bytes_; }

  /// A GET's head as one text, for `handler::recall`: the same fields make the same text, others another, and HTTP/1.1
  /// none of these. Empty where it cannot be told so. Before `finish`; good as long as this.
  std::string_view raw();
  /// The request's head; a refusal is a status with words, as of `request_parser`.
  struct refusal {
    unsigned status = 0; ///< 0: none
    std::string words;
    bool too_many_fields = false; ///< of a 431: their count, not their size
  };
  refusal finish(request_head& into, const server_limits& limits);
  bool expects_continue() const noexcept { return expects_continue_; }

private:
  std::string method_, scheme_, authority_, path_, cookies_, raw_;
  header_table fields_;
  std::size_t list_bytes_ = 0;
  bool too_large_ = false, too_many_ = false, expects_continue_ = false;
};

/// An answer's fields in the form of nghttp2, which copies them when they are submitted.
class http2_answer_fields {
public:
  http2_answer_fields() = default;
  http2_answer_fields(const response& answer, const answer_framing& framing, std::string_view request_id);
  explicit http2_answer_fields(const header_table& trailers);
  explicit http2_answer_fields(const response_head& interim);
  /// Of a recalled answer, whose head is as HTTP/1.1 has it. Nothing is copied: names are made small in place, and
  /// `head` must stay as it is until its stream has ended.
  void refer_to(std::string& head);
  const nghttp2_nv* data() const noexcept { return pairs_.data(); }
  std::size_t size() const noexcept { return pairs_.size(); }

private:
  void add(std::string_view name, std::string_view value);
  void make_pairs();

  struct run {
    std::size_t name, name_length, value_length;
  };
  std::string text_; ///< names in lower case and values, one behind the other
  std::vector<run> runs_;
  std::vector<nghttp2_nv> pairs_;
};

} // namespace forebay::http
