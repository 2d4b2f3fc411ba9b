/**
 * The options of SIP.js that name a STUN server. Without one it asks one of the Internet, and each offer and answer takes
 * the five seconds for which it waits for that.
 */
export const iceServers = (stun) =>
  stun === undefined
    ? {}
    : {
        sessionDescriptionHandlerFactoryOptions: {
          peerConnectionConfiguration: { iceServers: [{ urls: stun }] },
        },
      };
