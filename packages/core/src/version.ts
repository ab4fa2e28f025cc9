/** Version of the packages that are released together; a test holds it equal to package.json. */
export const VERSION = "0.1.0";
