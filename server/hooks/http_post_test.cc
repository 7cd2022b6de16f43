#include "server/hooks/http_post.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Listens on a port of the loopback interface, takes one request and answers with a text; "" means never. Many
// requests: tests/show/test_hooks.py, with other people's HTTP server.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(socket_, 1), 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, answer = std::move(answer)] { Serve(answer); });
  }
  ~OneAnswer() {
    Stop();
    close(socket_);
  }

  std::string uri(absl::string_view path = "/hook") const { return absl::StrCat("http://127.0.0.1:", port_, path); }
  // What came, if anything did. Ends the server.
  const std::string& request() {
    Stop();
    return request_;
  }

 private:
  void Stop() {
    if (!thread_.joinable()) return;
    shutdown(socket_, SHUT_RDWR);
    thread_.join();
  }
  static size_t BodyBytes(const std::string& head) {
    const size_t at = head.find("Content-Length: ");
    size_t bytes = 0;
    if (at != std::string::npos) (void)absl::SimpleAtoi(head.substr(at + 16, head.find('\r', at) - at - 16), &bytes);
    return bytes;
  }
  bool Complete() const {
    const size_t end = request_.find("\r\n\r\n");
    return end != std::string::npos && request_.size() >= end + 4 + BodyBytes(request_.substr(0, end + 2));
  }
  void Serve(const std::string& answer) {
    const int client = accept(socket_, nullptr, nullptr);
    if (client < 0) return;
    char buffer[4096];
    for (ssize_t got = 1; got > 0 && !Complete();) {
      got = recv(client, buffer, sizeof buffer, 0);
      if (got > 0) request_.append(buffer, static_cast<size_t>(got));
    }
    if (!answer.empty()) {
      EXPECT_GT(send(client, answer.data(), answer.size(), MSG_NOSIGNAL), 0);
    } else {
      // Until the client has had enough.
      while (recv(client, buffer, sizeof buffer, 0) > 0) {
      }
    }
    close(client);
  }

  const int socket_;
  int port_ = 0;
  std::string request_;
  std::thread thread_;
};

class HttpPostTest : public ::testing::Test {
 protected:
  // The servers of these tests are on this machine, whatever proxy the environment names for others.
  static void SetUpTestSuite() { setenv("no_proxy", "127.0.0.1", 1); }
};

TEST_F(HttpPostTest, SendsHeadersAndBody) {
  OneAnswer server("HTTP/1.1 204 No Content\r\n\r\n");
  const auto answer = PostWithCurl(
      {.uri = server.uri("/besa?x=1"), .headers = {"webhook-id: j1-1"}, .body = std::string("{\"a\":\0}", 7)});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 204);
  EXPECT_TRUE(absl::StartsWith(server.request(), "POST /besa?x=1 HTTP/1.1\r\n")) << server.request();
  EXPECT_THAT(server.request(), HasSubstr("\r\nwebhook-id: j1-1\r\n"));
  EXPECT_TRUE(absl::EndsWith(server.request(), std::string("\r\n\r\n{\"a\":\0}", 11))) << server.request();
}

TEST_F(HttpPostTest, DoesNotWaitForConsentToALargeBody) {
  OneAnswer server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(PostWithCurl({.uri = server.uri(), .headers = {}, .body = std::string(3 << 20, 'x')}).ok());
  EXPECT_THAT(server.request().substr(0, 1000), Not(HasSubstr("Expect")));
}

TEST_F(HttpPostTest, KeepsTheBeginningOfAnAnswerWhateverItsStatus) {
  OneAnswer server("HTTP/1.1 500 Oops\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'y'));
  const auto answer = PostWithCurl({.uri = server.uri(), .headers = {}, .body = "{}"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->text, std::string(200, 'y'));
}

TEST_F(HttpPostTest, FollowsNoRedirectAndSaysWhereItLeads) {
  OneAnswer elsewhere("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  OneAnswer server(
      absl::StrCat("HTTP/1.1 307 Moved\r\nLocation: ", elsewhere.uri("/admin"), "\r\nContent-Length: 0\r\n\r\n"));
  const auto answer = PostWithCurl({.uri = server.uri(), .headers = {}, .body = "{}"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 307);
  EXPECT_EQ(answer->location, elsewhere.uri("/admin"));
  EXPECT_EQ(elsewhere.request(), "");
}

TEST_F(HttpPostTest, AnEndpointThatDoesNotAnswerEndsInATimeout) {
  OneAnswer server("");
  const auto answer =
      PostWithCurl({.uri = server.uri(), .headers = {}, .body = "{}", .timeout = absl::Milliseconds(300)});
  EXPECT_TRUE(absl::IsUnavailable(answer.status()));
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("timed out"));
}

TEST_F(HttpPostTest, NobodyThereIsUnavailableAndSaysWho) {
  std::string gone;
  {
    OneAnswer server("");
    gone = server.uri();
  }
  const auto answer = PostWithCurl({.uri = gone, .headers = {}, .body = "{}"});
  EXPECT_TRUE(absl::IsUnavailable(answer.status()));
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("127.0.0.1"));
}

TEST_F(HttpPostTest, NothingButHttpIsSpoken) {
  EXPECT_TRUE(absl::IsUnavailable(PostWithCurl({.uri = "file:///etc/hostname", .headers = {}, .body = ""}).status()));
}

}  // namespace
}  // namespace besa::server
