// Writes that pass through: streamed to the origin, and forgotten here before their client is told.
#include <algorithm>
#include <fmt/format.h>

#include "base/key_segments.h"
#include "base/text.h"
#include "front/s3/plain_writes.h"
#include "front/s3/s3_call.h"
#include "front/s3/write_parameters.h"
#include "front/s3/write_words.h"
#include "front/written.h"
#include "net/loop.h"
#include "net/wait.h"
#include "origin/error_body.h"
#include "origin/gate.h"
#include "origin/s3/sigv4.h"

namespace forebay::front::s3 {
namespace {

constexpr std::size_t document_bytes_max = 4 * 1024 * 1024; // 10,000 parts of a CompleteMultipartUpload
constexpr std::size_t error_bytes_max = 64 * 1024;
constexpr unsigned deletes_at_once = 8;
/// An upload gets the time of a write, and what its bytes take at this rate; a client that stalls is given up earlier.
constexpr std::uint64_t slowest_upload_bytes_per_second = 128 * 1024;
constexpr std::chrono::seconds longest_upload = std::chrono::hours(7 * 24);
/// A completion says 200 at once and its document when it is done: that takes this many times what a write may take.
constexpr unsigned document_patience = 10;

/// What goes to the origin, of a call.
struct origin_wish {
  std::string method, key, query;
  http::header_table fields;
  std::unique_ptr<http::body_source> body;
  std::optional<std::uint64_t> length_bytes;
};

/// The parameters that a store must see, spelt anew.
std::string query_for_origin(const s3_request& what) {
  std::string query;
  for (const parameter& one : what.query) {
    const bool passes = one.name == "uploads" || one.name == "uploadId" || one.name == "partNumber" ||
                        one.name == "versionId" || one.name == "max-parts" || one.name == "part-number-marker";
    if (!passes) continue;
    query += query.empty() ? "" : "&";
    query += one.name + "=" + percent_encode(one.value);
  }
  return query;
}

/// The store's own word about a failed write, with our statuses: a client is never sent elsewhere.
s3_failure refused_by_store(unsigned status, const origin::error_detail& said) {
  std::string message = said.message.empty() ? fmt::format("The store answered {}.", status) : said.message;
  // A 404 without a document may be anybody's on the way; "there is no such key" is said by the store alone.
  const bool nobodys = status == 404 && said.code.empty();
  if (status < 400 || status >= 500 || status == 401 || nobodys) {
    const bool slow = status == 503;
    return {503, slow ? "SlowDown" : "ServiceUnavailable", std::move(message), std::chrono::seconds(1),
            error_kind::broken};
  }
  std::string code = said.code;
  if (code.empty()) {
    switch (status) {
    case 403: code = "AccessDenied"; break;
    case 412: code = "PreconditionFailed"; break;
    case 429: return {503, "SlowDown", std::move(message), std::chrono::seconds(1), error_kind::throttled};
    case 501: code = "NotImplemented"; break;
    default: code = "InvalidRequest";
    }
  }
  return {status, std::move(code), std::move(message)};
}

/// Sends it, and forgets what it changed: also after a failure, because the store may have done it all the same.
net::task<tl::expected<origin::write_answer, s3_failure>> send(s3_call& call, origin_wish wish, bool changes) {
  const auto store = call.where.space->origins.front(); // the others are its mirrors: they follow it, not us
  call.notes.report.origin = store->name();
  call.notes.report.forwarded = cache::forward_reason::method;
  call.notes.looked_up = true;
  const bool plain = kind_of_store(*call.where.space) != "s3", removes = wish.method == "DELETE";
  space::placement where{call.where.space, wish.key, wish.query};
  origin::write_request request;
  request.method = std::move(wish.method);
  request.key = std::move(wish.key);
  request.query = std::move(wish.query);
  request.fields = std::move(wish.fields);
  request.body = std::move(wish.body);
  request.length_bytes = wish.length_bytes;
  const std::chrono::seconds upload_time(
      std::min<std::uint64_t>(wish.length_bytes.value_or(0) / slowest_upload_bytes_per_second, longest_upload.count()));
  request.until = net::deadline::after(call.settings.common->write_timeout + upload_time);
  result<origin::write_answer> answer = co_await store->write(std::move(request));
  const bool untouched = answer && left_untouched(answer->head.status);
  if (changes && !untouched) co_await forget_written(call.cache, call.settings.common->spaces, std::move(where));
  if (!answer && plain && answer.error().kind == error_kind::changed) // of the request: it goes to the store with it
    co_return refuse(412, "PreconditionFailed", std::move(answer.error().context));
  if (!answer) co_return refuse(failure_of(answer.error(), subject::object));
  call.notes.report.passed = true;
  call.notes.report.forward_status = answer->head.status;
  if (answer->head.status >= 300) {
    const std::string words = co_await origin::read_some_text(answer->body.get(), error_bytes_max);
    const origin::error_detail said = origin::parse_error_body(words).detail;
    if (plain) co_return refuse(refused_by_plain_store(answer->head.status, said, removes));
    co_return refuse(refused_by_store(answer->head.status, said));
  }
  co_return std::move(*answer);
}

/// The upload's payload as the store shall get it. `state` tells afterwards whether it was the client's fault.
tl::expected<origin_wish, s3_failure> make_upload(s3_call& call, std::shared_ptr<payload_state> state) {
  const http::header_table& fields = call.asked.head.fields;
  auto form = form_of(fields, call.claim, call.who);
  if (!form) return refuse(form.error());
  const bool has_body = call.asked.body != nullptr;
  const auto length = payload_length(fields, *form, has_body, call.settings.common->body_bytes);
  if (!length) return refuse(length.error());
  origin_wish wish;
  wish.method = call.asked.head.method;
  wish.key = call.where.key;
  wish.query = query_for_origin(call.what);
  const std::string kind = kind_of_store(*call.where.space);
  wish.fields = kind == "s3" ? forwarded_fields(fields) : plain_fields(fields, kind);
  wish.length_bytes = *length;
  auto from = has_body ? std::move(call.asked.body) : http::make_body(std::string());
  const bool checked = form->what != payload_form::kind::plain || form->checksum;
  wish.body = checked ? make_payload(std::move(from), std::move(*form), *length, std::move(state)) : std::move(from);
  return wish;
}

http::response make_written(unsigned status, const http::header_table& from) {
  http::response answer;
  answer.head.status = status;
  answer.head.fields = answered_fields(from);
  if (status != 204) answer.length_bytes = 0;
  return answer;
}

net::task<s3_outcome> put(s3_call& call) {
  const auto state = std::make_shared<payload_state>();
  auto wish = make_upload(call, state);
  if (!wish) co_return refuse(std::move(wish.error()));
  const bool changes = !call.what.has("uploadId"); // a part is nothing before the upload is complete
  auto answer = co_await send(call, std::move(*wish), changes);
  if (state->failure) co_return refuse(*state->failure);
  if (!answer) co_return refuse(std::move(answer.error()));
  const bool plain = kind_of_store(*call.where.space) != "s3";
  co_return make_written(200, plain ? plain_answered_fields(answer->head.fields) : answer->head.fields);
}

/// The body of a small request, checked as any payload is.
net::task<tl::expected<std::string, s3_failure>> read_document(s3_call& call) {
  const auto state = std::make_shared<payload_state>();
  auto upload = make_upload(call, state);
  if (!upload) co_return refuse(std::move(upload.error()));
  if (*upload->length_bytes > document_bytes_max)
    co_return refuse(400, "MaxMessageLengthExceeded", "Your request was too big.");
  std::string text;
  for (;;) {
    result<net::slice> piece = co_await upload->body->next(document_bytes_max);
    if (!piece && state->failure) co_return refuse(*state->failure);
    if (!piece) co_return refuse(400, "IncompleteBody", piece.error().context);
    if (piece->empty()) break;
    text.append(reinterpret_cast<const char*>(piece->bytes.data()), piece->bytes.size());
    if (text.size() > document_bytes_max)
      co_return refuse(400, "MaxMessageLengthExceeded", "Your request was too big.");
  }
  co_return text;
}

/// Sends it and gives the store's document back under our names. Only a document of the right kind is a success.
net::task<s3_outcome> exchange_document(s3_call& call, origin_wish wish, std::string root, bool changes) {
  auto answer = co_await send(call, std::move(wish), changes);
  if (!answer) co_return refuse(std::move(answer.error()));
  const auto until = net::deadline::after(call.settings.common->write_timeout * document_patience);
  auto text = co_await origin::read_whole(answer->body.get(), document_bytes_max, call.notes.report.origin, until);
  // A completion takes its time after its 200: what was written became true only now.
  if (changes) co_await forget_written(call.cache, call.settings.common->spaces, call.where);
  if (!text) co_return refuse(failure_of(text.error(), subject::object));
  auto document = renamed_document(*text, root, call.what.bucket, call.what.key);
  if (!document) co_return refuse(std::move(document.error()));
  http::response made = make_xml(200, std::move(*document), false);
  answered_fields(answer->head.fields).each([&](std::string_view name, std::string_view value) {
    made.head.fields.add(name, value);
  });
  co_return made;
}

net::task<s3_outcome> copy(s3_call& call) {
  const auto source = read_copy_source(*call.asked.head.fields.get("x-amz-copy-source"));
  if (!source) co_return refuse(400, "InvalidArgument", "x-amz-copy-source is bucket/key, percent-encoded.");
  if (source->bucket != call.what.bucket) {
    co_return refuse(501, "NotImplemented", "Copies go from a bucket to the same bucket here.");
  }
  if (call.settings.common->spaces->hides(*call.where.space, source->key))
    co_return refuse(403, "AccessDenied", "The source lies in a bucket that is not public.");
  const auto name = call.where.space->origins.front()->identify(source->key, "");
  origin_wish wish;
  wish.method = "PUT";
  wish.key = call.where.key;
  wish.query = query_for_origin(call.what);
  wish.fields = forwarded_fields(call.asked.head.fields);
  const std::string version = source->query.empty() ? "" : "?" + source->query;
  wish.fields.set("x-amz-copy-source", "/" + name.bucket + "/" + origin::s3::encode_key(name.key) + version);
  wish.length_bytes = 0;
  wish.body = http::make_body(std::string());
  const bool part = call.what.has("uploadId");
  std::string root = part ? "CopyPartResult" : "CopyObjectResult";
  s3_outcome outcome = co_await exchange_document(call, std::move(wish), std::move(root), !part);
  co_return outcome;
}

net::task<s3_outcome> post(s3_call& call) {
  const bool begins = call.what.has("uploads"), completes = call.what.has("uploadId");
  if (!begins && !completes) co_return refuse(501, "NotImplemented", "Uploads by HTML forms are not supported.");
  auto text = co_await read_document(call);
  if (!text) co_return refuse(std::move(text.error()));
  origin_wish wish;
  wish.method = "POST";
  wish.key = call.where.key;
  wish.query = query_for_origin(call.what);
  wish.fields = forwarded_fields(call.asked.head.fields);
  wish.length_bytes = text->size();
  wish.body = http::make_body(std::move(*text));
  std::string root = begins ? "InitiateMultipartUploadResult" : "CompleteMultipartUploadResult";
  s3_outcome outcome = co_await exchange_document(call, std::move(wish), std::move(root), completes);
  co_return outcome;
}

net::task<s3_outcome> remove(s3_call& call) {
  origin_wish wish;
  wish.method = "DELETE";
  wish.key = call.where.key;
  wish.query = query_for_origin(call.what);
  wish.fields = forwarded_fields(call.asked.head.fields);
  auto answer = co_await send(call, std::move(wish), !call.what.has("uploadId"));
  // Who removes what is not there has what he wanted; stores differ in what they answer.
  const bool gone =
      !answer && answer.error().status == 404 && answer.error().code == "NoSuchKey" && !call.what.has("uploadId");
  if (gone) co_return make_written(204, {});
  if (!answer) co_return refuse(std::move(answer.error()));
  co_return make_written(204, answer->head.fields);
}

/// A DeleteObjects in progress: workers on the caller's loop take key after key.
struct deleting {
  deleting(s3_call& from, delete_wish asked) : call(from), wish(std::move(asked)), failures(wish.objects.size()) {}
  s3_call& call;
  delete_wish wish;
  std::vector<std::optional<s3_failure>> failures;
  std::size_t next = 0, working = 0;
  net::event done;
};

net::task<void> delete_some(std::shared_ptr<deleting> work) {
  while (work->next < work->wish.objects.size()) {
    const std::size_t mine = work->next++;
    const auto& object = work->wish.objects[mine];
    origin_wish wish;
    wish.method = "DELETE";
    wish.key = object.key;
    if (!object.version.empty()) wish.query = "versionId=" + percent_encode(object.version);
    if (leads_astray(object.key)) {
      work->failures[mine] = s3_failure{400, "InvalidArgument", "A key holds no NUL and no \".\" or \"..\" segment."};
      continue;
    }
    if (!object.version.empty() && kind_of_store(*work->call.where.space) != "s3") {
      work->failures[mine] = s3_failure{501, "NotImplemented", "The store behind this bucket names no versions."};
      continue;
    }
    if (work->call.settings.common->spaces->hides(*work->call.where.space, object.key)) {
      work->failures[mine] = s3_failure{403, "AccessDenied", "This key lies in a bucket that is not public."};
      continue;
    }
    auto answer = co_await send(work->call, std::move(wish), true);
    const bool gone = !answer && answer.error().code == "NoSuchKey";
    if (!answer && !gone) work->failures[mine] = std::move(answer.error());
  }
  if (--work->working == 0) work->done.notify();
}

net::task<s3_outcome> remove_many(s3_call& call) {
  auto text = co_await read_document(call);
  if (!text) co_return refuse(std::move(text.error()));
  auto wish = read_delete(*text);
  if (!wish) co_return refuse(std::move(wish.error()));
  const auto work = std::make_shared<deleting>(call, std::move(*wish));
  work->working = std::min<std::size_t>(deletes_at_once, work->wish.objects.size());
  const std::size_t workers = work->working;
  for (std::size_t i = 0; i < workers; ++i) net::loop::current().spawn(delete_some(work));
  // Each exchange has a deadline of its own; the frame that the workers refer to waits for the last of them.
  bool ended = false;
  while (!ended) ended = co_await work->done.wait(net::deadline::after(call.settings.common->write_timeout));
  std::string body = "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (std::size_t i = 0; i < work->failures.size(); ++i) {
    const auto& failure = work->failures[i];
    if (!failure && work->wish.quiet) continue;
    body += failure ? "<Error>" : "<Deleted>";
    append_element(body, "Key", work->wish.objects[i].key);
    if (failure) append_element(body, "Code", failure->code);
    if (failure) append_element(body, "Message", failure->message);
    body += failure ? "</Error>" : "</Deleted>";
  }
  co_return make_xml(200, body + "</DeleteResult>", false);
}

} // namespace

net::task<s3_outcome> write(s3_call& call) {
  const std::string& method = call.asked.head.method;
  if (!call.shows_key() || !call.who->write)
    co_return refuse(403, "AccessDenied", "Writes need a key of this node that may write to this bucket.");
  s3_outcome outcome = refuse(501, "NotImplemented", "Buckets are made and removed in the node's configuration.");
  const bool many = call.what.key.empty() && method == "POST" && call.what.has("delete");
  if (call.what.key.empty() && !many) co_return outcome;
  if (auto unknown = refuse_parameters(method, call.what)) co_return refuse(std::move(*unknown));
  if (auto beyond = refuse_beyond_plain(call, kind_of_store(*call.where.space))) co_return refuse(std::move(*beyond));
  if (many) {
    outcome = co_await remove_many(call);
    co_return outcome;
  }
  if (method == "PUT") {
    const bool copies = call.asked.head.fields.has("x-amz-copy-source");
    if (copies) {
      outcome = co_await copy(call);
    } else {
      outcome = co_await put(call);
    }
  } else if (method == "POST") {
    outcome = co_await post(call);
  } else {
    outcome = co_await remove(call);
  }
  co_return outcome;
}

net::task<s3_outcome> read_uploads(s3_call& call) {
  const bool of_key = call.what.has("uploadId");
  const auto& space = *call.where.space;
  if (!space.write || kind_of_store(space) != "s3")
    co_return refuse(501, "NotImplemented", "There are no uploads in this bucket.");
  if (!call.shows_key() || !call.who->write)
    co_return refuse(403, "AccessDenied", "Uploads are told to who may write.");
  if (!of_key && !space.origins.front()->identify("", "").key.empty())
    co_return refuse(501, "NotImplemented", "This bucket is a part of another one, whose uploads are not told.");
  origin_wish wish;
  wish.method = "GET";
  wish.key = call.where.key;
  wish.query = query_for_origin(call.what);
  std::string root = of_key ? "ListPartsResult" : "ListMultipartUploadsResult";
  s3_outcome outcome = co_await exchange_document(call, std::move(wish), std::move(root), false);
  co_return outcome;
}

} // namespace forebay::front::s3
