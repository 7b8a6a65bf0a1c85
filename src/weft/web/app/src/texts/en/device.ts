export const device = {
  back: 'Devices',
  tabs: { now: 'Now', charts: 'Charts', twin: 'Twin', commands: 'Commands', messages: 'Messages', connection: 'Connection', credentials: 'Credentials', about: 'About' },
  tabsLabel: 'Parts of the device',
} as const;
