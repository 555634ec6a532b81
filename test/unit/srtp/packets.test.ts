import { definePacketCases } from "../../support/srtp-packet-cases.ts";
import { definePropertyCases } from "../../support/srtp-property-cases.ts";
import { nodeCrypto } from "../../support/srtp-rig.ts";
import { suite } from "../../support/suite.ts";

suite("srtp packets", (test) => {
  definePacketCases(test, nodeCrypto);
  definePropertyCases(test, nodeCrypto);
});
