// The catalogue: all words that people read, by page. A page imports its own part, so that it
// loads no other's; this file is for those who read or translate all of it.
export * from './en/kit';
export * from './en/shell';
export * from './en/sign-in';
export * from './en/overview';
export * from './en/devices';
export * from './en/device';
export * from './en/alarms';
export * from './en/orders';
export * from './en/map';
export * from './en/facilities';
export * from './en/rules';
export * from './en/explore';
export * from './en/connectors';
export * from './en/onboarding';
export * from './en/claims';
export * from './en/type-forms';
export * from './en/connectors';
export * from './en/security';
export * from './en/api';
