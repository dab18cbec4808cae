// The protocol's version, apart from the method table so that a client's start loads no zod.
export const protocolVersion = 1;
