// The coroutine type of the program. The name is ours so that no Asio type is spoken outside net/.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

namespace forebay::net {

/// A lazily started coroutine that runs on the loop that awaits it. Rules for g++ 12: no lambda coroutine
/// with captures, parameters by value, no co_await inside a larger expression (docs/architecture.md).
template <class T = void>
using task = boost::asio::awaitable<T, boost::asio::io_context::executor_type>;

} // namespace forebay::net
