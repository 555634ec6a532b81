/** Where the packet that the policy judges just now lies: the forwarder writes it, the policy's questions are about it. */
export class PacketInHand {
  offset = 0;
  sizeBytes = 0;
  /** A code of `packetKind`, with `sealedFlag` where its protection is still on. */
  kind = 0;
}
