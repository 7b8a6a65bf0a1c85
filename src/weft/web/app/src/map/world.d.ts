declare module 'virtual:world/*' {
  /** The address of a part of the bundled map, as the build made it (tools/world.ts). */
  const url: string;
  export default url;
}
