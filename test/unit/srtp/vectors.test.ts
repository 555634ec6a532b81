import { nodeCrypto } from "../../support/srtp-rig.ts";
import { defineVectorCases } from "../../support/srtp-vector-cases.ts";
import { suite } from "../../support/suite.ts";

suite("srtp vectors", (test) => defineVectorCases(test, nodeCrypto));
