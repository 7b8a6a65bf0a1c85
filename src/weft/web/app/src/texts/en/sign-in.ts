export const signIn = {
  title: 'Sign in',
  lead: 'To the operations dashboard.',
  name: 'Name',
  password: 'Password',
  act: 'Sign in',
  over: 'Your session is over. Sign in again to go on where you were.',
  left: 'You are signed out.',
  wrong: 'Name and password do not go together. Check both.',
  none: 'No account yet?',
  noneText: 'Weft printed a one-time link when it started. For a new one, at its machine:',
  command: 'weft user link',
} as const;
