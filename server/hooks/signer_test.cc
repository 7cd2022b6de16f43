#include "server/hooks/signer.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/testing/temp_folder.h"

namespace besa::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The vector that the libraries of the specification are tested with.
constexpr char kSecret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr char kId[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr int64_t kTime = 1614265330;
constexpr char kBody[] = "{\"test\": 2432232314}";
constexpr char kSignature[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

TEST(Signer, SignsAsTheSpecificationsLibrariesDo) {
  EXPECT_EQ(Signer::Parse(kSecret)->Sign(kId, kTime, kBody), kSignature);
}

TEST(Signer, SignsWithEverySecretWhileTheyAreChanged) {
  const std::string other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
  const auto both = Signer::Parse(std::string("# new\n") + kSecret + "\r\n\n# old\n  " + other + "\n");
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->Sign(kId, kTime, kBody),
            std::string(kSignature) + " " + Signer::Parse(other)->Sign(kId, kTime, kBody));
}

TEST(Signer, AnythingThatIsSignedChangesTheSignature) {
  const Signer signer = *Signer::Parse(kSecret);
  EXPECT_NE(signer.Sign("another", kTime, kBody), kSignature);
  EXPECT_NE(signer.Sign(kId, kTime + 1, kBody), kSignature);
  EXPECT_NE(signer.Sign(kId, kTime, "{}"), kSignature);
}

TEST(Signer, ABadSecretIsRefusedByItsLineAndNotShown) {
  for (const std::string& secret : {
           std::string("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),  // no prefix
           std::string("whsec_"),
           std::string("whsec_c2hvcnQ="),    // 5 bytes
           std::string("whsec_!!!!"),        // no base64
           "whsec_" + std::string(88, 'A'),  // 66 bytes
       }) {
    const absl::Status status = Signer::Parse("\n" + secret).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("line 2"), HasSubstr("base64 of 24 to 64 bytes")));
    if (secret == "whsec_") continue;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr(secret.substr(6))));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Signer::Parse("# nothing\n").status()));
}

TEST(Signer, ReadsAFileAndNamesItIfItCannot) {
  const testing::TempFolder folder;
  const std::string path = (folder.path() / "secret").string();
  EXPECT_THAT(std::string(Signer::Read(path).status().message()),
              AllOf(HasSubstr("--hook-secret-file"), HasSubstr(path), HasSubstr("No such file")));
  testing::WriteFile(path, std::string(kSecret) + "\n");
  EXPECT_EQ(Signer::Read(path)->Sign(kId, kTime, kBody), kSignature);
}

}  // namespace
}  // namespace besa::server
