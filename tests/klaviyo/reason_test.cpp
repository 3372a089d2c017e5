// What a refusal says, and to whom: the log has nothing that the vendor may have quoted.
#include <gtest/gtest.h>

#include <klaviyo/reason.hpp>

#include "support/klaviyo_test_data.hpp"

namespace {

using klaviyo_test::destination;
using klaviyo_test::Json;
using klaviyo_test::order;
using klaviyo_test::records_of;
using postbox::HttpResponse;
using postbox::Verdict;
using postbox::VerdictKind;

class KlaviyoRefusal : public ::testing::Test {
 protected:
  klaviyo::Order bought() const {
    klaviyo::Order bought = order();
    bought.customer.first_name = "Anneliese";
    bought.customer.last_name = "Li";
    bought.billing_address.emplace();
    bought.billing_address->first_name = "Anneliese";
    bought.billing_address->address1 = "Gartenstrasse 17b";
    bought.billing_address->city = "Bad Cannstatt";
    bought.properties.push_back({"note", "the api key is under the mat"});
    return bought;
  }

  Verdict verdict_for(const std::string& detail, const std::string& pointer,
                      const std::string& code = "invalid",
                      const std::string& title = "Invalid input.") const {
    const Json body = {{"errors",
                        {{{"code", code},
                          {"title", title},
                          {"detail", detail},
                          {"source", {{"pointer", pointer}}}}}}};
    const std::vector<const postbox::EventRecord*> events = {&records.front()};
    return destination().verdict(HttpResponse{400, {}, body.dump()}, events, klaviyo_test::now());
  }

  const std::vector<postbox::EventRecord> records = records_of(klaviyo::order_placed(bought()));
};

TEST_F(KlaviyoRefusal, TheLogAndTheLetterHaveNoNameNoStreetAndNoQuotedValue) {
  for (const char* detail :
       {"Anneliese is not a valid name", "the value Gartenstrasse 17b is too long",
        "GARTENSTRASSE is unknown", "no such city: Bad Cannstatt", "Li is too short",
        "Gartenstr is cut", "'something' is not accepted", "\"something\" is not accepted",
        "`something` is not accepted", "Jörg is not accepted", "something=1 is not accepted"}) {
    const Verdict verdict = verdict_for(detail, "/data/attributes/properties/x");
    EXPECT_EQ(verdict.reason, "HTTP 400 invalid: Invalid input. (/data/attributes/properties/x)")
        << detail;
    EXPECT_EQ(destination().log_line(records.front(), verdict).text,
              "Failed to send Klaviyo purchase event: " + verdict.reason);
  }
}

TEST_F(KlaviyoRefusal, NoOtherPartOfTheAnswerQuotesTheEventEither) {
  EXPECT_EQ(verdict_for("", "/data", "invalid", "Anneliese is not a valid name").reason,
            "HTTP 400 invalid (/data)");
  EXPECT_EQ(verdict_for("", "/data", "invalid", "No 'something' here").reason,
            "HTTP 400 invalid (/data)");
  EXPECT_EQ(verdict_for("", "/data", "gartenstrasse").reason, "HTTP 400: Invalid input. (/data)");
  EXPECT_EQ(verdict_for("", "/data", "not a code").reason, "HTTP 400: Invalid input. (/data)");
  for (const char* pointer : {"/data/attributes/properties/Anneliese", "/data/Bad Cannstatt/name",
                              "Gartenstr", "the \"note\"", "note=1"}) {
    const Verdict verdict = verdict_for("", pointer);
    EXPECT_EQ(verdict.reason, "HTTP 400 invalid: Invalid input.") << pointer;
    EXPECT_EQ(verdict.pointer, "");
  }
}

TEST_F(KlaviyoRefusal, APlaceInTheEventIsNoQuotation) {
  for (const char* pointer :
       {"/data/attributes/profile/data/attributes/email", "/data/attributes/properties/note",
        "/data/attributes/events-bulk-create/data/0/attributes/value", "filter"}) {
    const Verdict verdict = verdict_for("", pointer);
    EXPECT_EQ(verdict.reason, "HTTP 400 invalid: Invalid input. (" + std::string(pointer) + ")");
    EXPECT_EQ(verdict.pointer, pointer);
  }
}

TEST_F(KlaviyoRefusal, AKeyIsMasked) {
  for (const char* key : {"pk_0123456789abcdef", "key=sk_live_0123456789", "(rk_test_01234567)",
                          "whsec_0123456789"}) {
    const std::string reason =
        verdict_for("", "/data", "invalid", std::string("Wrong key ") + key).reason;
    EXPECT_EQ(reason.find("0123"), std::string::npos) << reason;
  }
}

TEST_F(KlaviyoRefusal, ADetailThatQuotesNothingIsForTheDeadLetterAlone) {
  const Verdict verdict = verdict_for("Expected a dictionary.", "/data");
  EXPECT_EQ(verdict.kind, VerdictKind::kDead);
  EXPECT_EQ(verdict.reason,
            "HTTP 400 invalid: Invalid input. (/data); detail: Expected a dictionary.");
  EXPECT_EQ(destination().log_line(records.front(), verdict).text,
            "Failed to send Klaviyo purchase event: HTTP 400 invalid: Invalid input. (/data)");
}

TEST_F(KlaviyoRefusal, IsShortAlsoWithItsDetail) {
  const Verdict verdict = verdict_for(std::string(2'000, 'q'), "/" + std::string(200, 'p'));
  EXPECT_EQ(verdict.reason.size(), klaviyo::kMaxReasonBytes);
  EXPECT_LE(verdict_for("Wrong.", "/" + std::string(400, 'p')).reason.size(),
            klaviyo::kMaxReasonBytes);
}

TEST_F(KlaviyoRefusal, AnEventThatSpeaksOfAnApiKeyParksNothing) {
  for (const char* pointer : {"", "/data", "/data/attributes/properties/note"}) {
    EXPECT_EQ(verdict_for("the api key is under the mat: no date", pointer).kind,
              VerdictKind::kDead)
        << pointer;
  }
  EXPECT_EQ(verdict_for("The api key is missing", "/data", "not_authenticated").kind,
            VerdictKind::kPark)
      << "the code says so";
}

}  // namespace
