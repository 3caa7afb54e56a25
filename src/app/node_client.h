// Asking a node from the command line.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/client.h"
#include "net/loop.h"
#include "net/task.h"

namespace forebay::app {

/// Sends one request to `node_url` + `target` on the current loop's client. An answer of whatever status is a success.
net::task<result<http::client_response>> ask_node(std::string node_url, std::string method, std::string target,
                                                  http::header_table fields, std::string body = {});

/// Reads the bearer token in the first line of the file `path`, where one is named; false, after a complaint, where the
/// file holds none.
bool take_token(const std::string& path, std::string* token);

/// The rest of a body as text; exhausted beyond `most` bytes.
net::task<result<std::string>> read_text(std::unique_ptr<http::client_body> body, std::size_t most);

/// The failure that an answer of status 400 or more tells: its problem document's words where it has one. 404 and
/// 410 are not_found, 502 and 504 unreachable, 503 exhausted (retryable).
net::task<error> failure_of(http::client_response answer);

/// How a command ends after a failure.
int exit_code_of(const error& why) noexcept;

/// Runs a command's coroutine on a loop with a client of its own; the exit code is what it returns. `connections`:
/// to one node at a time.
int run_command(std::function<net::task<int>()> command, unsigned connections = 1);

/// "forebay: <message>" on standard error.
void complain(std::string_view message);

} // namespace forebay::app
